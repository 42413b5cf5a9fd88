"""What the proxy costs, in one run of at most eight minutes: processor time, delays and connections.

Run as follows, after `uv sync --dev`: uv run python -m bench
In two minutes, with one cycle: uv run python -m bench --quick
Against another checkout as well: uv run python -m bench --before ../other

Everyone is a process of its own, all at the same time and one of them at work. A cycle measures each in
turn, beginning with another than the cycle before, and compares each with bare mitmdump in that cycle:
a machine that slows down slows them all. "Bare" streams answers and does nothing else. The tables are
Markdown, for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import contextlib
import functools
import http.client
import math
import os
import platform
import socket
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from bench import measure
from bench import others
from bench import paced
from bench import provider
from simulator import ports

CYCLES = 5
SECONDS = 450.0
QUICK_SECONDS = 100.0
"""A cycle that would end later than this after the start is left out."""

REQUEST = 48_000
LARGE = 1_000_000
"""Bytes."""
REQUESTS = 40
NEW_CLIENTS = 20
CLIENTS = 16
EACH = 6
"""Requests of each of those clients."""
FAST_STREAMS = 6
LARGE_REQUESTS = 8
IN_TURN = 103
"""Clients, one after the other, whose upstream connections are counted."""
FAR_CLIENTS = 12
TIMEOUT = 20
"""Seconds for a request."""

ANOTHER = "another provider"
UNTOUCHED = "untouched"
BARE = "bare"

HOST = "api.anthropic.com"
"""What is asked for through CONNECT; it is nobody but the provider of the measurement."""

REDIRECT = """
def server_connect(data):
    data.server.address = ("127.0.0.1", {port})
"""

TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


class Subject(NamedTuple):
    """A proxy, and what it is asked for."""

    name: str
    port: int
    pid: int
    model: str
    tunnel: bool = False


class Cost(NamedTuple):
    """Of a request or an event, in seconds."""

    processor: float
    clock: float
    late: float = 0
    """The 99th percentile of an event's delay, of which `clock` is the median."""


FAILED = Cost(math.nan, math.nan, math.nan)
OPTIONAL = {other.name for other in others.OTHERS}


class Task(NamedTuple):
    title: str
    run: Callable[[Subject], Cost]
    targets: dict[str, float]
    """Ratios of processor time, by what a subject is asked for."""


# Clients


@contextlib.contextmanager
def client(subject: Subject) -> Iterator[http.client.HTTPConnection]:
    connection: http.client.HTTPConnection
    if subject.tunnel:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", subject.port, timeout=TIMEOUT, context=TRUSTING
        )
        connection.set_tunnel(HOST, 443)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=TIMEOUT)
    try:
        yield connection
    finally:
        connection.close()


def headers() -> dict[str, str]:
    return {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": others.KEY,
    }


def ask(connection: http.client.HTTPConnection, body: bytes) -> float:
    """Seconds to the first byte of the answer's body. Raises RuntimeError if the answer isn't whole."""
    started = time.perf_counter()
    connection.request("POST", "/v1/messages", body, headers())
    response = connection.getresponse()
    first = response.read(1)
    elapsed = time.perf_counter() - started
    answer = first + response.read()
    if b"message_stop" not in answer:
        raise RuntimeError(f"expected a whole answer, got {response.status} {answer[-200:]!r}")
    return elapsed


@functools.cache
def body(size: int, model: str, mode: str = "whole") -> bytes:
    return measure.conversation(size, model).replace(b'"Begin."', f'"Begin: {mode}."'.encode())


def measured(subject: Subject, units: int, call: Callable[[], object]) -> Cost:
    processor, clock = others.processor_seconds(subject.pid), time.perf_counter()
    call()
    return Cost(
        (others.processor_seconds(subject.pid) - processor) / units,
        (time.perf_counter() - clock) / units,
    )


def asked(subject: Subject, count: int, units: int, size: int, mode: str = "whole") -> Cost:
    """The cost of a unit of `units`, of which each of `count` requests on one connection has its share."""
    request = body(size, subject.model, mode)
    with client(subject) as connection:
        ask(connection, request)
        return measured(subject, units, lambda: [ask(connection, request) for _ in range(count)])


def whole(subject: Subject) -> Cost:
    return asked(subject, REQUESTS, REQUESTS, REQUEST)


def large(subject: Subject) -> Cost:
    return asked(subject, LARGE_REQUESTS, LARGE_REQUESTS, LARGE)


def fast(subject: Subject) -> Cost:
    events = FAST_STREAMS * provider.FAST_EVENTS
    return asked(subject, FAST_STREAMS, events, 2_000, "fast")


def once(subject: Subject) -> float:
    """On a connection of its own."""
    with client(subject) as connection:
        return ask(connection, body(REQUEST, subject.model))


def new_clients(subject: Subject) -> Cost:
    return measured(subject, NEW_CLIENTS, lambda: [once(subject) for _ in range(NEW_CLIENTS)])


def together(subject: Subject) -> Cost:
    request = body(REQUEST, subject.model)

    def some(connection: http.client.HTTPConnection) -> None:
        for _ in range(EACH):
            ask(connection, request)

    with (
        contextlib.ExitStack() as stack,
        concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool,
    ):
        connections = [stack.enter_context(client(subject)) for _ in range(CLIENTS)]
        for connection in connections:
            ask(connection, request)
        return measured(subject, CLIENTS * EACH, lambda: list(pool.map(some, connections)))


def paced_streams(subject: Subject) -> Cost:
    return asyncio.run(_paced_streams(subject))


async def _paced_streams(subject: Subject) -> Cost:
    request = body(REQUEST, subject.model, "paced")
    lines = {"host": HOST, **headers(), "connection": "close", "content-length": str(len(request))}
    head = "POST /v1/messages HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    loop = asyncio.get_running_loop()

    async def connect(make: Callable[[], paced.Stream]) -> paced.Stream:
        if subject.tunnel:
            through = await loop.run_in_executor(None, tunnel, subject.port)
            _, stream = await loop.create_connection(
                make, sock=through, ssl=TRUSTING, server_hostname=HOST
            )
        else:
            _, stream = await loop.create_connection(make, "127.0.0.1", subject.port)
        return stream

    cost = await paced.measured(
        f"{head}\r\n".encode() + request,
        connect,
        functools.partial(others.processor_seconds, subject.pid),
        seed=paced.STREAMS,  # the same pauses for each subject
        patience=TIMEOUT,
    )
    *_, late = statistics.quantiles(cost.delays, n=100)
    return Cost(cost.cpu, statistics.median(cost.delays), late)


def tunnel(port: int) -> socket.socket:
    through = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    through.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        more = through.recv(1)
        if not more:
            raise RuntimeError("CONNECT was refused")
        answer += more
    through.setblocking(False)
    return through


PACED = "paced event (50 streams × 20/s)"
TASKS = (
    Task("whole answer, 48 KB request", whole, {ANOTHER: 0.7, UNTOUCHED: 0.6}),
    Task("new client connection each", new_clients, {ANOTHER: 0.6, UNTOUCHED: 0.6}),
    Task("16 clients at once", together, {}),
    Task("event of a fast stream", fast, {ANOTHER: 0.12, UNTOUCHED: 0.12}),
    Task(PACED, paced_streams, {ANOTHER: 0.6, UNTOUCHED: 0.6}),
    Task("1 MB request", large, {ANOTHER: 1.15, UNTOUCHED: 0.95}),
)


# Proxies


class Checkout(NamedTuple):
    name: str
    """Precedes the names of its subjects."""
    route: Path = measure.ROUTE
    program: Path = measure.MITMDUMP


def checkout(path: Path) -> Checkout:
    """It runs in its own environment if it has one: it may need other libraries."""
    path = path.resolve()
    program = path / ".venv" / "bin" / "mitmdump"
    return Checkout(
        "before: ", path / "addons" / "route.py", program if program.exists() else measure.MITMDUMP
    )


@contextlib.contextmanager
def ours(each: Checkout, url: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """The proxy over providers at `url`."""
    providers = {
        "anthropic": {"base_url": url},
        "zai": {"base_url": url, "auth": "x-api-key", "api_key": "zai-key-012345"},
    }
    models = {"glm-5": "zai/glm-5", "claude-*": "anthropic/claude-*"}
    behind = int(url.rpartition(":")[2])
    more = ("--set", "ssl_insecure=true", *arguments)
    with measure.ours(
        behind,
        *more,
        route=each.route,
        program=each.program,
        providers=providers,
        models=models,
    ) as started:
        yield started


def both(name: str, port: int, pid: int, is_tunnel: bool = False) -> list[Subject]:
    return [
        Subject(name + ANOTHER, port, pid, "glm-5", is_tunnel),
        Subject(name + UNTOUCHED, port, pid, "claude-opus-5-5", is_tunnel),
    ]


@contextlib.contextmanager
def reverse(behind: provider.Provider, checkouts: Sequence[Checkout]) -> Iterator[list[Subject]]:
    with contextlib.ExitStack() as stack:
        subjects = [Subject(BARE, *stack.enter_context(measure.bare(behind.plain)), "glm-5")]
        for each in checkouts:
            started = stack.enter_context(ours(each, f"http://127.0.0.1:{behind.plain}"))
            subjects += both(each.name, *started)
        yield subjects


@contextlib.contextmanager
def forward(behind: provider.Provider, checkouts: Sequence[Checkout]) -> Iterator[list[Subject]]:
    """Through CONNECT, with TLS on both sides."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script = folder / "bare.py"
        script.write_text(measure.BARE + REDIRECT.format(port=behind.tls))
        port = ports.free()
        arguments = ("--set", "ssl_insecure=true", "--mode", f"regular@127.0.0.1:{port}")
        _, pid = stack.enter_context(measure.mitmdump(script, behind.plain, *arguments))
        subjects = [Subject(BARE, port, pid, "glm-5", tunnel=True)]
        for each in checkouts:
            port = ports.free()
            mode = ("--mode", f"regular@127.0.0.1:{port}")
            url = f"https://127.0.0.1:{behind.tls}"
            _, pid = stack.enter_context(ours(each, url, *mode))
            subjects += both(each.name, port, pid, is_tunnel=True)
        yield subjects


@contextlib.contextmanager
def far(behind: provider.Provider, checkouts: Sequence[Checkout]) -> Iterator[list[Subject]]:
    """Over TLS to a provider with a delay on the way."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        script = folder / "bare.py"
        script.write_text(measure.BARE)
        port = ports.free()
        mode = f"reverse:https://127.0.0.1:{behind.far}@127.0.0.1:{port}"
        arguments = ("--set", "ssl_insecure=true", "--mode", mode)
        _, pid = stack.enter_context(measure.mitmdump(script, behind.plain, *arguments))
        subjects = [Subject(BARE, port, pid, "claude-opus-5-5")]
        for each in checkouts:
            started = stack.enter_context(ours(each, f"https://127.0.0.1:{behind.far}"))
            subjects.append(Subject(each.name + UNTOUCHED, *started, "claude-opus-5-5"))
        yield subjects


@contextlib.contextmanager
def installed(behind: provider.Provider) -> Iterator[list[Subject]]:
    """Of the other proxies those that are installed and answer."""
    with contextlib.ExitStack() as stack:
        subjects = []
        for other in others.OTHERS:
            try:
                started = stack.enter_context(others.running(other, behind.plain))
                subject = Subject(other.name, *started, other.model)
                once(subject)
            except (OSError, RuntimeError, http.client.HTTPException) as e:
                print(f"{other.name}: skipped: {e}", flush=True)
            else:
                subjects.append(subject)
        yield subjects


# Tables


class Table:
    """Costs of each subject in each task, cycle after cycle; the first subject is the reference."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = list(subjects)
        self.costs: dict[str, dict[str, list[Cost]]] = {}

    def measure(self, task: Task, first: int) -> None:
        costs: dict[str, Cost] = {}
        for place in range(len(self.subjects)):
            subject = self.subjects[(first + place) % len(self.subjects)]
            try:
                costs[subject.name] = task.run(subject)
            except (OSError, RuntimeError, http.client.HTTPException) as e:
                if subject.name not in OPTIONAL:
                    raise
                print(f"{subject.name}, {task.title}: {e!r}", file=sys.stderr, flush=True)
                costs[subject.name] = FAILED
        for name, cost in costs.items():
            self.costs.setdefault(task.title, {}).setdefault(name, []).append(cost)

    def ratios(self, title: str, name: str, field: str) -> list[float]:
        reference = self.costs[title][self.subjects[0].name]
        return [
            getattr(one, field) / getattr(bare, field)
            for one, bare in zip(self.costs[title][name], reference, strict=True)
        ]

    def show(self) -> None:
        names = [subject.name for subject in self.subjects[1:]]
        row("", "bare, µs", *names)
        row("---", *("---:" for _ in self.subjects))
        for task in TASKS:
            cells = [self.cell(task, name) for name in names]
            bare = self.costs[task.title][self.subjects[0].name]
            row(
                task.title,
                f"{statistics.median(each.processor for each in bare) * 1e6:,.0f}",
                *cells,
            )
        print("\nAn event's delay at 50 streams, ms\n")
        row("", *(subject.name for subject in self.subjects))
        row("---", *("---:" for _ in self.subjects))
        for title, field in (("p50", "clock"), ("p99", "late")):
            columns = [self.costs[PACED][subject.name] for subject in self.subjects]
            medians = [statistics.median(getattr(one, field) for one in each) for each in columns]
            row(title, *(f"{each * 1e3:.2f}" for each in medians))

    def cell(self, task: Task, name: str) -> str:
        processor = self.ratios(task.title, name, "processor")
        clock = self.ratios(task.title, name, "clock")
        if math.isnan(sum(processor)):
            return "failed"
        text = f"{statistics.median(processor):.2f}"
        if task.title != PACED:  # whose pace is the provider's
            text += f" ({statistics.median(clock):.2f})"
        if len(processor) > 1:
            text += f" {min(processor):.2f}–{max(processor):.2f}"
        target = task.targets.get(name)
        return f"{text}, target {target}" if target else text


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def cycles(tables: Sequence[Table], count: int, deadline: float) -> int:
    """Measures until `count` cycles are done, or another would not end before `deadline`."""
    longest = 0.0
    for number in range(count):
        began = time.monotonic()
        if began + longest > deadline:
            return number
        for table in tables:
            for task in TASKS:
                table.measure(task, number)
        longest = max(longest, time.monotonic() - began)
        print(f"cycle {number + 1} of {count}: {longest:.0f} s", file=sys.stderr, flush=True)
    return count


def connections(behind: provider.Provider, subjects: Sequence[Subject]) -> None:
    print(f"\nUpstream connections of {IN_TURN} new clients in turn\n")
    row("", "connections")
    row("---", "---:")
    for subject in subjects:
        before = behind.connections()
        for _ in range(IN_TURN):
            once(subject)
        row(subject.name, str(behind.connections() - before))


def first_bytes(subjects: Sequence[Subject], count: int) -> None:
    for subject in subjects:
        once(subject)
    columns = measure.in_turn([functools.partial(once, each) for each in subjects], count, warm=1)
    print(
        f"\nFirst byte for a new client, over TLS at {provider.ROUND_TRIP * 1e3:.0f} ms a round trip, ms\n"
    )
    row("", "p50", "slowest")
    row("---", "---:", "---:")
    for subject, column in zip(subjects, columns, strict=True):
        row(subject.name, f"{measure.median_ms(column):.0f}", f"{max(column) * 1e3:.0f}")


def machine() -> str:
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, mitmproxy {metadata.version('mitmproxy')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the proxy costs.")
    parser.add_argument("--before", type=Path, help="a checkout to compare this one with")
    parser.add_argument("--quick", action="store_true", help="one cycle, without other proxies")
    options = parser.parse_args()
    deadline = time.monotonic() + (QUICK_SECONDS if options.quick else SECONDS)
    checkouts = [Checkout("")]
    if options.before:
        checkouts.append(checkout(options.before))
    print(machine(), flush=True)
    with provider.running() as behind:
        with far(behind, checkouts) as subjects:
            first_bytes(subjects, 4 if options.quick else FAR_CLIENTS)
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(reverse(behind, checkouts))
            connections(behind, plain)
            if options.quick:
                print("\nother proxies: skipped in a quick run")
            else:
                print()
                plain += stack.enter_context(installed(behind))
            through = stack.enter_context(forward(behind, checkouts))
            tables = [Table(plain), Table(through)]
            for table in tables:
                for subject in table.subjects:
                    for _ in range(measure.WARM):
                        once(subject)
            done = cycles(tables, 1 if options.quick else CYCLES, deadline)
        for title, table in zip(("Reverse listener", "Through CONNECT"), tables, strict=True):
            print(
                f"\n{title}: processor time of a request or an event, × bare (× its time by the "
                f"clock), lowest and highest of {done} cycles\n"
            )
            table.show()


if __name__ == "__main__":
    main()
