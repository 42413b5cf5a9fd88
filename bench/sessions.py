"""What `/sessions` costs: 1,000 turns of 40 sessions in mitmweb, with bodies of up to 800 KB.

Run as follows, after `uv sync --dev`: uv run python -m bench.sessions
With a tenth of the sessions: uv run python -m bench.sessions --quick

First summaries alone are made in this process, while a task measures by how much the event loop wakes
it too late. Then the same requests go to two instances of mitmweb, one after the other: one that makes no summaries
(`keep_turns=0`), and one that does. Then the page is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from http import client
from pathlib import Path
from typing import Any
from typing import NamedTuple

from mitmproxy import http
from mitmproxy.test import tflow

from bench import measure
from simulator import ports

sys.path.insert(0, str(measure.ROOT / "addons"))

from claude_route.sessions import book
from claude_route.watch import recorder

SESSIONS = 40
TURNS = 25
LARGEST = 800_000
"""Bytes of a session's last request."""
BLOCKS = 8
"""Blocks that each turn adds."""
READS = 20
"""How often a page is asked for after the first time."""
PASSWORD = "bench"

PROBE = """
import asyncio, json, os, signal, time

late = []

async def watch():
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - began - 0.005)

def tell():
    with open({path!r} + ".part", "w") as file:
        json.dump(late, file)
    os.rename({path!r} + ".part", {path!r})
    late.clear()

def running():
    global task
    loop = asyncio.get_running_loop()
    task = loop.create_task(watch())
    loop.add_signal_handler(signal.SIGUSR1, tell)
"""


class Figures(NamedTuple):
    late: list[float]
    """Seconds by which the event loop was late, in ascending order."""
    megabytes: float
    """Resident, at the end."""
    seconds: float
    """For all requests."""
    pages: dict[str, tuple[float, float, int]]
    """Path -> seconds the first time, the median later, and bytes."""

    def percentile(self, share: float) -> float:
        return self.late[min(int(len(self.late) * share), len(self.late) - 1)] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    sessions = SESSIONS // 10 if parser.parse_args().quick else SESSIONS
    bodies = [conversation(turn) for turn in range(TURNS)]
    print(f"{sessions * TURNS} turns of {sessions} sessions, up to {len(bodies[-1]):,} bytes\n")
    alone(sessions, bodies)
    with measure.simulator() as behind:
        without = run(behind, sessions, bodies, "--set", "keep_turns=0")
    with measure.simulator() as behind:  # it keeps what it gets, and the next run would be slower
        through = run(behind, sessions, bodies)
    print("| | without summaries | with |\n| --- | --- | --- |")
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1.0)):
        late = [f"{each.percentile(share):.1f} ms" for each in (without, through)]
        print(f"| event loop late, {name} | {late[0]} | {late[1]} |")
    print(f"| all requests | {without.seconds:.1f} s | {through.seconds:.1f} s |")
    print(f"| memory | {without.megabytes:.0f} MB | {through.megabytes:.0f} MB |")
    print("\n| page | first time | later | bytes |\n| --- | --- | --- | --- |")
    for path, (first, later, size) in through.pages.items():
        print(f"| {path} | {first * 1000:.0f} ms | {later * 1000:.0f} ms | {size:,} |")


def alone(sessions: int, bodies: list[bytes]) -> None:
    """What the summaries themselves cost the event loop."""
    lateness: list[float] = []
    recorded = recorder.Recorder(lambda: None, book.Book())

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.002)
            lateness.append(time.perf_counter() - began - 0.002)

    async def record() -> float:
        watching = asyncio.create_task(watch())
        for turn, body in enumerate(bodies):
            for number in range(sessions):
                recorded.response(ended(f"session-{number}", turn, body))
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.5)
        watching.cancel()
        return time.process_time()

    before = time.process_time()
    took = asyncio.run(record()) - before
    lateness.sort()
    shares = [lateness[min(int(len(lateness) * p), len(lateness) - 1)] for p in (0.5, 0.99, 1)]
    half, most, longest = (share * 1000 for share in shares)
    each = took * 1000 / max(len(recorded.book), 1)
    print(f"Summaries alone: {each:.1f} ms of processor time each; the event loop late by")
    print(f"{half:.1f} ms (p50), {most:.1f} ms (p99), {longest:.1f} ms (longest)\n")


def ended(session: str, turn: int, body: bytes) -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request.path = "/v1/messages"
    flow.request.headers["x-claude-code-session-id"] = session
    flow.request.raw_content = body
    flow.request.timestamp_start = 1000.0 + turn
    return flow


def run(behind: int, sessions: int, bodies: list[bytes], *arguments: str) -> Figures:
    web = ports.free()
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.py"
        written = Path(folder) / "late.json"
        probe.write_text(PROBE.replace("{path!r}", repr(str(written))))
        options = (
            *("-s", str(probe), "--set", f"web_port={web}", "--set", "web_open_browser=false"),
            *("--set", f"web_password={PASSWORD}", *arguments),
        )
        mitmweb = measure.MITMDUMP.with_name("mitmweb")
        with measure.ours(behind, *options, program=mitmweb) as (port, pid):
            connection = client.HTTPConnection("127.0.0.1", port, timeout=60)
            ask(connection, "warm", bodies[0])
            late(pid, written)
            began = time.perf_counter()
            for turn in bodies:
                for number in range(sessions):
                    ask(connection, f"session-{number}", turn)
            seconds = time.perf_counter() - began
            time.sleep(1)
            lateness = sorted(late(pid, written))
            pages = {}
            if not arguments:
                for path in ("/sessions", "/sessions/session-0", "/sessions?search=lazy+dog"):
                    pages[path] = page(web, path)
            return Figures(lateness, measure.rss_megabytes(pid), seconds, pages)


def conversation(turn: int) -> bytes:
    """The request of a session's turn: as Claude Code writes it, each with what the turns before had."""
    text = "The quick brown fox jumps over the lazy dog. "
    size = LARGEST // TURNS // BLOCKS
    messages: list[dict[str, Any]] = [{"role": "user", "content": "What does the fox do?"}]
    for number in range(turn + 1):
        for block in range(BLOCKS // 2):
            name = f"toolu_{number}_{block}"
            words = f"{number} {block} " + text * (size // len(text))
            call = {"type": "tool_use", "id": name, "name": "Bash", "input": {"command": words}}
            result = {"type": "tool_result", "tool_use_id": name, "content": words}
            messages += [
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [result]},
            ]
    messages[-1]["content"][0]["cache_control"] = {"type": "ephemeral"}
    tools = [
        {"name": f"Tool{number}", "description": text * 20, "input_schema": {"type": "object"}}
        for number in range(20)
    ]
    head = {"model": "claude-opus-5-5", "max_tokens": 100, "stream": True}
    return json.dumps({**head, "messages": messages, "system": text * 50, "tools": tools}).encode()


def ask(connection: client.HTTPConnection, session: str, body: bytes) -> None:
    headers = {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-ant-api03-bench-000000-bnch",
        "x-claude-code-session-id": session,
    }
    connection.request("POST", "/v1/messages", body, headers)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise RuntimeError(f"expected an answer, got status {response.status}")


def late(pid: int, written: Path) -> list[float]:
    """What the probe has measured since it was asked last."""
    os.kill(pid, signal.SIGUSR1)
    while not written.exists():
        time.sleep(0.02)
    seconds: list[float] = json.loads(written.read_text())
    written.unlink()
    return seconds


def page(web: int, path: str) -> tuple[float, float, int]:
    """Seconds the first time and the median later, and the number of bytes."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{web}{path}", headers={"authorization": f"Bearer {PASSWORD}"}
    )
    took, body = [], b""
    for _ in range(READS + 1):
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        took.append(time.perf_counter() - began)
    return took[0], statistics.median(took[1:]), len(body)


if __name__ == "__main__":
    main()
