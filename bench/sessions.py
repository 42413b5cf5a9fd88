"""What `/sessions` costs: 1,000 turns of 40 sessions in mitmweb, with bodies of up to 800 KB.

Run as follows, after `uv sync --dev`: uv run python -m bench.sessions
With a tenth of the sessions: uv run python -m bench.sessions --quick

First summaries alone are made in this process, while a task measures by how much the event loop wakes
it too late. Then the same requests go to two instances of mitmweb, one after the other: one that makes no summaries
(`keep_turns=0`), and one that does. Then the page is asked for. Last, 50 paced streams go through each while sessions
go on, and once more while somebody also reads the pages: by how much their events come later.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from collections.abc import Iterator
from http import client
from pathlib import Path
from typing import Any
from typing import NamedTuple

from mitmproxy import http
from mitmproxy.test import tflow

from bench import measure
from bench import paced
from simulator import ports

sys.path.insert(0, str(measure.ROOT / "addons"))

from claude_route.sessions import book
from claude_route.watch import prices
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
RATE = 20
"""Events a second of each paced stream."""
WINDOWS = 3
"""Measurements with paced streams, of two seconds each."""
SPARE = 6
"""Seconds by which a paced stream may begin later than the others: what goes on beside them slows the provider too."""
PAUSE = 0.25
"""Seconds between what is sent or read beside the paced streams."""
PAGES = ("/sessions", "/sessions/session-0", "/sessions?search=lazy+dog")

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


class Beside(NamedTuple):
    delays: list[float]
    """Seconds from the provider to the client of each event, in ascending order."""
    late: list[float]
    """Seconds by which the event loop was late, in ascending order."""


class Figures(NamedTuple):
    late: list[float]
    """Seconds by which the event loop was late, in ascending order."""
    megabytes: float
    """Resident, at the end."""
    seconds: float
    """For all requests."""
    pages: dict[str, tuple[float, float, int]]
    """Path -> seconds the first time, the median later, and bytes."""
    beside: dict[str, Beside]
    """What paced streams had to bear, by what went on beside them."""


def percentile(ascending: list[float], share: float) -> str:
    return f"{ascending[min(int(len(ascending) * share), len(ascending) - 1)] * 1000:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    sessions = SESSIONS // 10 if parser.parse_args().quick else SESSIONS
    bodies = [conversation(turn) for turn in range(TURNS)]
    print(f"{sessions * TURNS} turns of {sessions} sessions, up to {len(bodies[-1]):,} bytes\n")
    alone(sessions, bodies)
    with provider() as behind:
        without = run(behind, sessions, bodies, "--set", "keep_turns=0")
    with provider() as behind:  # it keeps what it gets, and the next run would be slower
        through = run(behind, sessions, bodies)
    print("| | without summaries | with |\n| --- | --- | --- |")
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1.0)):
        late = [percentile(each.late, share) for each in (without, through)]
        print(f"| event loop late, {name} | {late[0]} | {late[1]} |")
    print(f"| all requests | {without.seconds:.1f} s | {through.seconds:.1f} s |")
    print(f"| memory | {without.megabytes:.0f} MB | {through.megabytes:.0f} MB |")
    print("\n| page | first time | later | bytes |\n| --- | --- | --- | --- |")
    for path, (first, later, size) in through.pages.items():
        print(f"| {path} | {first * 1000:.0f} ms | {later * 1000:.0f} ms | {size:,} |")
    print(
        "\n| 50 paced streams, and beside them | p50 | p99 | longest | event loop late, p99 | longest |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for title, figures in (("without summaries", without), ("with", through)):
        for what, beside in figures.beside.items():
            shares = [percentile(beside.delays, share) for share in (0.5, 0.99, 1)]
            shares += [percentile(beside.late, share) for share in (0.99, 1)]
            print(f"| {what}, {title} | {' | '.join(shares)} |")


@contextlib.contextmanager
def provider() -> Iterator[int]:
    """The port of a simulator whose paced events say when they were sent."""
    with measure.simulator(("-c", paced.PROVIDER)) as behind:
        measure.tell(behind, paced.script(spare=SPARE))
        yield behind


def alone(sessions: int, bodies: list[bytes]) -> None:
    """What the summaries themselves cost the event loop."""
    lateness: list[float] = []
    recorded = recorder.Recorder(prices.LISTED, book.Book())

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
                pages = {path: page(web, path) for path in PAGES}
            megabytes = measure.rss_megabytes(pid)
            proxy = paced.Proxy("ours", port, pid)

            def send(number: int) -> None:
                ask(connection, f"session-{number % sessions}", bodies[-1])

            def read(number: int) -> None:
                get(web, PAGES[number % len(PAGES)])

            acts: dict[str, list[Callable[[int], None]]] = {"nothing": [], "sessions": [send]}
            if not arguments:
                acts["sessions and somebody who reads the pages"] = [send, read]
            beside = {
                what: measured(proxy, doing, lambda: late(pid, written))
                for what, doing in acts.items()
            }
            return Figures(lateness, megabytes, seconds, pages, beside)


def measured(
    proxy: paced.Proxy, doing: list[Callable[[int], None]], late: Callable[[], list[float]]
) -> Beside:
    """Paced streams, while a thread does each of these, again and again."""
    is_over = threading.Event()

    def work() -> None:
        number = 0
        while not is_over.wait(PAUSE):
            for act in doing:
                act(number)
            number += 1

    late()
    thread = threading.Thread(target=work)
    thread.start()
    delays: list[float] = []
    try:
        for _ in range(WINDOWS):
            delays += asyncio.run(paced.paced(proxy, RATE)).delays
    finally:
        is_over.set()
        thread.join()
    return Beside(sorted(delays), sorted(late()))


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
    took, body = [], b""
    for _ in range(READS + 1):
        began = time.perf_counter()
        body = get(web, path)
        took.append(time.perf_counter() - began)
    return took[0], statistics.median(took[1:]), len(body)


def get(web: int, path: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{web}{path}", headers={"authorization": f"Bearer {PASSWORD}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        body: bytes = answer.read()
    return body


if __name__ == "__main__":
    main()
