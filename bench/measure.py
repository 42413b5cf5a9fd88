"""What the benchmarks share: processes of their own, and requests timed over one connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator import ports

ROOT = Path(__file__).parent.parent
ROUTE = ROOT / "addons" / "route.py"
MITMDUMP = Path(sys.executable).parent / "mitmdump"

BARE = """
def responseheaders(flow):
    flow.response.stream = True
"""
"""The least that a streaming proxy needs."""

WARM = 10
"""Of each call that is timed, before those that count."""


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, stderr: int | None = None, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block; entered when it listens on `port`."""
    inherited = {
        key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ
    }
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command,
            cwd=home,
            env={**inherited, "HOME": home, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def simulator(program: Sequence[str] = ("-m", "simulator")) -> Iterator[int]:
    """The port of the simulator, or of another Python program that takes its options."""
    port = ports.free()
    command = [sys.executable, *program, "--port", str(port)]
    with running(command, port, PYTHONPATH=str(ROOT)):
        yield port


def tell(behind: int, script: dict[str, Any]) -> None:
    """Tells the simulator at `behind` what to answer."""
    connection = http.client.HTTPConnection("127.0.0.1", behind, timeout=10)
    connection.request("POST", "/_simulator/script", json.dumps(script))
    status = connection.getresponse().status
    connection.close()
    if status != 200:
        raise RuntimeError(f"the simulator did not understand: {status}")


@contextlib.contextmanager
def mitmdump(
    script: Path, behind: int, *arguments: str, program: Path = MITMDUMP
) -> Iterator[tuple[int, int]]:
    """A reverse listener for the simulator's port: the listener's port and its process's id."""
    port = ports.free()
    mode = f"reverse:http://127.0.0.1:{behind}@127.0.0.1:{port}"
    command = [str(program), "-q", "-s", str(script), "--mode", mode, *arguments]
    with running(command, port) as process:
        yield port, process.pid


@contextlib.contextmanager
def bare(behind: int) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bare.py"
        script.write_text(BARE)
        with mitmdump(script, behind) as started:
            yield started


@contextlib.contextmanager
def ours(
    behind: int,
    *arguments: str,
    route: Path = ROUTE,
    program: Path = MITMDUMP,
    **changes: Any,
) -> Iterator[tuple[int, int]]:
    """The proxy under a profile of which Anthropic is the simulator."""
    url = f"http://127.0.0.1:{behind}"
    profile = {
        "providers": {
            "anthropic": {"base_url": url},
            "zai": {"base_url": f"{url}/provider", "auth": "bearer", "api_key": "zai-key-012345"},
        },
        "models": {"glm": "zai/glm-5", "claude-*": "anthropic/claude-*"},
        **changes,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(profile))
        options = ("--set", f"profile={path}", *arguments)
        with mitmdump(route, behind, *options, program=program) as started:
            yield started


class Client:
    """One kept connection."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with each request beside what all have."""
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "x-api-key": "sk-ant-api03-bench-000000-bnch",
            **(headers or {}),
        }

    def first_byte(self, body: bytes) -> float:
        """Seconds from the first byte of a request to the first of the answer's body."""
        started = time.perf_counter()
        self.connection.request("POST", "/v1/messages", body, self.headers)
        response = self.connection.getresponse()
        response.read(1)
        elapsed = time.perf_counter() - started
        response.read()
        if response.status != 200:
            raise RuntimeError(f"expected an answer, got status {response.status}")
        return elapsed


def in_turn(
    calls: Sequence[Callable[[], float]], times: int, warm: int = WARM
) -> list[list[float]]:
    """What each of them returns, time after time, after a few to get warm. Another begins each round:
    whoever comes after a pause, or after a busy one, is slower for that alone."""
    returned: list[list[float]] = [[] for _ in calls]
    for number in range(warm + times):
        for place in range(len(calls)):
            which = (number + place) % len(calls)
            value = calls[which]()
            if number >= warm:
                returned[which].append(value)
    return returned


def conversation(size: int, model: str = "claude-opus-5-5") -> bytes:
    """A streamed request of about `size` bytes, shaped like Claude Code's: many turns of text, and
    tool calls with their results."""
    turns: list[dict[str, Any]] = []
    text = "The quick brown fox jumps over the lazy dog. " * 40
    number = 0
    while sum(len(json.dumps(turn)) for turn in turns[-2:]) * max(len(turns), 1) / 2 < size:
        number += 1
        call = {
            "type": "tool_use",
            "id": f"toolu_{number}",
            "name": "Bash",
            "input": {"command": text},
        }
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text}
        turns += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    turns.insert(0, {"role": "user", "content": "Begin."})
    tools = [{"name": "Bash", "description": text, "input_schema": {"type": "object"}}]
    request = {"model": model, "max_tokens": 100, "stream": True, "system": text, "tools": tools}
    return json.dumps({**request, "messages": turns}).encode()


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def processor_seconds(pid: int) -> float:
    """What a process has used in all of its threads."""
    # The clock that clock_getcpuclockid(3) names, which Python lacks; /proc/PID/stat counts in
    # ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def rss_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
