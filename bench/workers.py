"""Requests a second with one worker and with two, and what a request costs of a processor.

Run as follows, on Linux, with wrk and HAProxy installed: uv run python -m bench.workers

The load comes from wrk, and HAProxy answers as the provider, always the same: both take little, and the table
says how much. It is the rest of the two cores that two workers can use. They take turns with one worker, so that a
machine whose speed drifts does so for both. Where others use the cores too, only the processor's time tells.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import measure
from simulator import ports

ROUNDS, SECONDS, CONNECTIONS = 4, 3, 32

ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": "Hello. How can I help you today?"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1000, "output_tokens": 10},
}

PROVIDER = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend provider
    bind 127.0.0.1:{port}
    http-request return status 200 content-type application/json file {answer}
"""

LOAD = """
wrk.method = "POST"
wrk.path = "/v1/messages"
wrk.headers["content-type"] = "application/json"
wrk.headers["anthropic-version"] = "2023-06-01"
wrk.headers["x-api-key"] = "sk-ant-api03-bench-000000-bnch"
wrk.body = io.open("{body}"):read("*a")
"""


class Load(NamedTuple):
    """What one burst of requests took, in seconds of a processor."""

    requests: int
    seconds: float
    workers: tuple[float, ...]
    others: float
    """The supervisor and Redis."""
    generator: float
    provider: float


def main() -> None:
    tools = {
        name: shutil.which(name, path="/usr/sbin:/usr/bin:/bin") for name in ("wrk", "haproxy")
    }
    if missing := [name for name, path in tools.items() if path is None]:
        sys.exit(f"apt-get install {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        body = folder / "body.json"
        body.write_bytes(measure.conversation(50_000).replace(b'"stream": true, ', b""))
        load = folder / "load.lua"
        load.write_text(LOAD.format(body=body))
        with (
            provider(str(tools["haproxy"]), folder) as behind,
            proxy(behind, folder, 1) as one,
            proxy(behind, folder, 2) as two,
        ):
            loads: dict[int, list[Load]] = {1: [], 2: []}
            for turn in range(ROUNDS + 1):
                for count, (port, pid) in ((1, one), (2, two)):
                    made = burst(str(tools["wrk"]), load, port, pid, behind, count)
                    if turn:  # the first is to get warm
                        loads[count].append(made)
    report(loads)


@contextlib.contextmanager
def provider(program: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Its port and its process's id."""
    port = ports.free()
    (folder / "answer.json").write_text(json.dumps(ANSWER))
    config = folder / "provider.cfg"
    config.write_text(PROVIDER.format(port=port, answer=folder / "answer.json"))
    with measure.running([program, "-db", "-f", str(config)], port) as process:
        yield port, process.pid


@contextlib.contextmanager
def proxy(behind: tuple[int, int], folder: Path, count: int) -> Iterator[tuple[int, int]]:
    """The same for a proxy with so many workers, once all of them serve."""
    port = ports.free()
    profile = folder / f"{count}.yaml"
    url = f"http://127.0.0.1:{behind[0]}"
    profile.write_text(
        json.dumps(
            {
                "providers": {"anthropic": {"base_url": url}},
                "models": {"claude-*": "anthropic/claude-*"},
            }
        )
    )
    command = [
        *(sys.executable, "-m", "claude_route", "up", "--workers", str(count)),
        *("-q", "--profile", str(profile), "--mode", f"reverse:{url}@127.0.0.1:{port}"),
    ]
    path = str(measure.ROOT / "addons")
    with measure.running(command, port, PYTHONPATH=path) as process:
        while len(workers(process.pid, count)) < count:
            pass
        yield port, process.pid


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def workers(pid: int, count: int) -> list[int]:
    if count == 1:
        return [pid]
    return [
        child
        for child in children(pid)
        if b"worker.main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def burst(wrk: str, load: Path, port: int, pid: int, behind: tuple[int, int], count: int) -> Load:
    own = workers(pid, count)
    others = [each for each in (pid, *children(pid)) if each not in own]

    def used() -> tuple[float, ...]:
        groups = [*([each] for each in own), others, [behind[1]]]
        return tuple(sum(map(measure.processor_seconds, group)) for group in groups)

    before, spent = used(), resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(
        [
            *(wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "30s", "-s", str(load)),
            f"http://127.0.0.1:{port}/",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    after, ended = used(), resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(output)
    found = re.search(r"(\d+) requests in ([\d.]+)s", output)
    assert found, output
    took = [b - a for a, b in zip(before, after, strict=True)]
    generator = ended.ru_utime + ended.ru_stime - spent.ru_utime - spent.ru_stime
    return Load(int(found[1]), float(found[2]), tuple(took[:-2]), took[-2], generator, took[-1])


def report(loads: dict[int, list[Load]]) -> None:
    print("workers   requests/s   ms of a processor a request: workers  store  load  provider")
    rates, costs = {}, {}
    for count, made in loads.items():
        requests = sum(each.requests for each in made)
        rates[count] = requests / sum(each.seconds for each in made)
        parts = [
            sum(sum(each.workers) for each in made),
            sum(each.others for each in made),
            sum(each.generator for each in made),
            sum(each.provider for each in made),
        ]
        costs[count] = [1000 * part / requests for part in parts]
        shown = "  ".join(f"{cost:7.3f}" for cost in costs[count])
        print(f"{count:7}   {rates[count]:10.0f}   {'':28}{shown}")
    shares = [sum(each.workers[n] for each in loads[2]) for n in range(2)]
    free = costs[2][2] + costs[2][3] + costs[2][1]
    print(f"\nrequests a second, two workers to one:     {rates[2] / rates[1]:.2f}")
    print(f"their shares of the processor's time:      {min(shares) / sum(shares):.0%} and more")
    print(f"processor's time a request, two to one:    {costs[2][0] / costs[1][0]:.2f}")
    print(
        f"what two free cores would allow at most:   {2 * costs[1][0] / (costs[2][0] + free):.2f}"
    )
    print(f"the same with cores of their own for load: {2 * costs[1][0] / costs[2][0]:.2f}")


if __name__ == "__main__":
    main()
