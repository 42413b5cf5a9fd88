"""What the proxy costs at the pace at which models write: 50 streams of 20 to 60 events a second.

Run as follows, after `uv sync --dev`: uv run python -m bench.paced
Against another checkout: uv run python -m bench.paced --before ../other

Each variant is a mitmdump of its own, all at the same time and one of them at work. A cycle measures
each in turn, beginning with another than the cycle before, and compares each with the reference in
that cycle: a machine that slows down slows them all. The verdict is in the ratios of processor time;
delays also depend on what else the machine does. "again" is the reference once more, so how far its
ratios are from 1 is the noise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import random
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import measure

STREAMS = 50
RATES = (20, 40, 60)
"""Events a second in each stream."""
REQUEST = 48_000
"""Bytes."""
REQUESTS = 60
"""In each cycle."""
CYCLES = 7
SPREAD = 0.5
"""Seconds over which the streams of one measurement begin, so that their events don't keep step."""
WINDOW = 2.0
"""Seconds for which all of them stream and are measured."""
PATIENCE = 60.0
"""Seconds, for one measurement."""

DELTA = "~000000000000000~ looks at the parser"
"""A few words, behind the place where the provider writes when it sent them."""
STAMP = re.compile(rb"~(\d{15})~")
TAIL = 100
"""Bytes, more than a stamp or the last event's name with all that follows it."""

PROVIDER = """
import sys
import time

from simulator import __main__
from simulator import http1

write = http1._Channel.write


async def stamped(self, data):
    now = b"~%015d~" % (time.monotonic_ns() // 1000)
    await write(self, data.replace(b"~000000000000000~", now))


http1._Channel.write = stamped
sys.exit(__main__.main())
"""
"""The simulator, each of whose events says when it was sent: the clock is the same in all processes
of a machine."""

UNDO = {
    "hooktable": """
from mitmproxy import ctx

def running():
    for name in ("trigger_event", "register", "remove"):
        del vars(ctx.master.addons)[name]
""",
}
"""Scripts that put mitmproxy's own code back. They fail, and the start with them, where it already
is in place: a variant without a patch must have had one."""


class Proxy(NamedTuple):
    name: str
    port: int
    pid: int


class Table:
    """Figures by what was measured: one of each proxy, cycle after cycle."""

    def __init__(self, proxies: Sequence[Proxy], reference: str) -> None:
        self.names = [proxy.name for proxy in proxies]
        self.reference = self.names.index(reference)
        self.figures: dict[str, list[Sequence[float]]] = {}

    def add(self, title: str, figures: Sequence[float]) -> None:
        self.figures.setdefault(title, []).append(figures)

    def show(self) -> None:
        reference = self.names[self.reference]
        print(f"\n{'medians':34}" + "".join(f"{name:>18}" for name in self.names))
        for title, cycles in self.figures.items():
            columns = list(zip(*cycles, strict=True))
            print(f"{title:34}" + "".join(f"{statistics.median(each):18.3f}" for each in columns))
            compared = [
                [one / other for one, other in zip(column, columns[self.reference], strict=True)]
                for column in columns
            ]
            print(f"{'  × ' + reference:34}" + "".join(f"{spread(each):>18}" for each in compared))


def spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.3f} {min(ratios):.2f}–{max(ratios):.2f}"


class Stream(asyncio.Protocol):
    """Asks for one streamed answer, and adds each event's delay in seconds to `delays`."""

    def __init__(self, request: bytes, delays: list[float]) -> None:
        self.request = request
        self.delays = delays
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        unread = self._unread + data
        end = 0
        for stamp in STAMP.finditer(unread):
            self.delays.append(now - int(stamp[1]) / 1e6)
            end = stamp.end()
            self.begun.set()
        self._unread = unread[max(end, len(unread) - TAIL) :]
        if b"message_stop" in self._unread:
            # Some keep the connection open whatever they are asked.
            self.transport.close()
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.begun.set()
        self.ended.set()

    def check(self) -> None:
        if b"message_stop" not in self._unread:
            raise RuntimeError(f"expected a whole answer, got {self._unread!r} at its end")


class Paced(NamedTuple):
    """What one measurement of streams found."""

    cpu: float
    """Seconds of processor time per event."""
    delays: list[float]
    """Seconds from the provider to the client, of each event."""


async def paced(proxy: Proxy, rate: int) -> Paced:
    body = measure.conversation(REQUEST, model(rate))
    headers = (
        f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{proxy.port}\r\nx-api-key: bench\r\n"
        "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()

    async def connect(make: Callable[[], Stream]) -> Stream:
        _, stream = await loop.create_connection(make, "127.0.0.1", proxy.port)
        return stream

    used = functools.partial(measure.processor_seconds, proxy.pid)
    # The same pauses for each proxy.
    return await measured(headers.encode() + body, connect, used, seed=rate, patience=PATIENCE)


async def measured(
    request: bytes,
    connect: Callable[[Callable[[], Stream]], Awaitable[Stream]],
    processor_seconds: Callable[[], float],
    *,
    seed: int,
    patience: float,
) -> Paced:
    """Measures STREAMS streams that `connect` begins with a request, for WINDOW seconds in which all of
    them stream."""
    delays: list[float] = []
    streams = []
    pauses = random.Random(seed)
    async with asyncio.timeout(patience):
        for _ in range(STREAMS):
            streams.append(await connect(functools.partial(Stream, request, delays)))
            await asyncio.sleep(pauses.uniform(0, 2 * SPREAD / STREAMS))
        for stream in streams:
            await stream.begun.wait()
        delays.clear()
        before = processor_seconds()
        await asyncio.sleep(WINDOW)
        used = processor_seconds() - before
        if any(stream.ended.is_set() for stream in streams):
            raise RuntimeError("a stream ended while it was measured")
        during = delays.copy()
        for stream in streams:
            await stream.ended.wait()
            stream.check()
    return Paced(used / len(during), during)


def model(rate: int) -> str:
    return f"claude-paced-{rate}"


def script(spare: float = 1) -> dict[str, object]:
    """For the simulator: an answer of one delta to all but the paced models. They get enough deltas
    for the last stream that begins to be measured while the first goes on, and for `spare` seconds more."""

    def answer(deltas: int) -> dict[str, object]:
        return {"content": [{"type": "text", "text": DELTA * deltas}], "delta_size": len(DELTA)}

    seconds = SPREAD + WINDOW + spare
    rules = [
        {
            "model": model(rate),
            "answer": {**answer(round(seconds * rate)), "event_delay": 1 / rate},
        }
        for rate in RATES
    ]
    return {"default": answer(1), "when": rules}


def requests(clients: Sequence[measure.Client], proxies: Sequence[Proxy], table: Table) -> None:
    body = measure.conversation(REQUEST)
    before = [measure.processor_seconds(proxy.pid) for proxy in proxies]
    asked = [functools.partial(client.first_byte, body) for client in clients]
    columns = measure.in_turn(asked, REQUESTS)
    after = [measure.processor_seconds(proxy.pid) for proxy in proxies]
    count = REQUESTS + measure.WARM
    used = [(end - start) / count * 1e3 for start, end in zip(before, after, strict=True)]
    table.add("processor time per request, ms", used)
    add_quantiles(table, "first byte", columns)


def streams(proxies: Sequence[Proxy], rate: int, first: int, table: Table) -> None:
    found: dict[Proxy, Paced] = {}
    for place in range(len(proxies)):
        proxy = proxies[(first + place) % len(proxies)]
        found[proxy] = asyncio.run(paced(proxy, rate))
    each = [found[proxy] for proxy in proxies]
    for title in ("any pace", f"{rate}/s"):
        table.add(f"{title}: processor time/event, µs", [one.cpu * 1e6 for one in each])
    table.add(f"{rate}/s: events/s, all streams", [len(one.delays) / WINDOW for one in each])
    add_quantiles(table, f"{rate}/s: event's delay", [one.delays for one in each])


def add_quantiles(table: Table, title: str, columns: Sequence[Sequence[float]]) -> None:
    for percent in (50, 99):
        figures = [statistics.quantiles(column, n=100)[percent - 1] for column in columns]
        table.add(f"{title} p{percent}, ms", [figure * 1e3 for figure in figures])


@contextlib.contextmanager
def variants(behind: int) -> Iterator[list[Proxy]]:
    """The proxy with and without what it changes in mitmproxy for speed."""
    without = {
        "ours": [],
        "again": [],
        **{f"no {name}": [name] for name in UNDO},
    }
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxies = [Proxy("bare", *stack.enter_context(measure.bare(behind)))]
        for name, undone in without.items():
            # An empty one too: mitmproxy watches each script, and asks it for each hook.
            path = folder / f"{name.replace(' ', '_')}.py"
            path.write_text("".join(UNDO[patch] for patch in undone))
            started = stack.enter_context(measure.ours(behind, "-s", str(path)))
            proxies.append(Proxy(name, *started))
        yield proxies


@contextlib.contextmanager
def checkouts(behind: int, before: Path) -> Iterator[list[Proxy]]:
    """This checkout and another. The other runs in its own environment if it has one: it may need
    other libraries."""
    route = before.resolve() / "addons" / "route.py"
    program = before.resolve() / ".venv" / "bin" / "mitmdump"
    if not program.exists():
        program = measure.MITMDUMP
    with (
        measure.bare(behind) as bare,
        measure.ours(behind, route=route, program=program) as first,
        measure.ours(behind, route=route, program=program) as again,
        measure.ours(behind) as after,
    ):
        yield [
            Proxy("bare", *bare),
            Proxy("before", *first),
            Proxy("again", *again),
            Proxy("after", *after),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description="What paced streams cost.")
    parser.add_argument("--before", type=Path, help="a checkout to compare this one with")
    parser.add_argument("--cycles", type=int, default=CYCLES)
    options = parser.parse_args()
    with measure.simulator(("-c", PROVIDER)) as behind:
        measure.tell(behind, script())
        if options.before:
            started = checkouts(behind, options.before)
        else:
            started = variants(behind)
        with started as proxies:
            reference = "before" if options.before else "ours"
            table = Table(proxies, reference)
            clients = [measure.Client(proxy.port) for proxy in proxies]
            warm_up = Table(proxies, reference)
            requests(clients, proxies, warm_up)
            streams(proxies, RATES[0], 0, warm_up)
            for cycle in range(options.cycles):
                requests(clients, proxies, table)
                for rate in RATES:
                    streams(proxies, rate, cycle, table)
                print(f"cycle {cycle + 1} of {options.cycles}", flush=True)
            for client in clients:
                client.connection.close()
        print(f"{STREAMS} streams, request of {len(measure.conversation(REQUEST)):,} bytes")
        table.show()


if __name__ == "__main__":
    main()
