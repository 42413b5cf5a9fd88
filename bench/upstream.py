"""The upstream client alone: processor time for an event and for a request, against a relay that parses
nothing, and against httpx.

Run as follows: uv run python -m bench.upstream

All pass what they read on to a socket. They take turns, so that a machine whose speed drifts does so for
each; the figures are medians of the rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator

import httpx

from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1

ROUNDS = 5
STREAMS, EVENTS = 50, 20
"""Of a paced run: that many streams at once, that many events each, 20 a second."""
FAST_EVENTS = 20_000
REQUESTS = 200

BODY = b"x" * 48_000
EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"twenty characters it"}}\n\n'
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

type Sink = Callable[[bytes], None]
type Ask = Callable[[int, str, bytes, Sink], Awaitable[None]]
"""Sends a request to a port, a path and with a body, and passes the answer on."""


# The server, a process of its own


async def serve() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if length := re.search(rb"(?i)content-length: *(\d+)", head):
                    await reader.readexactly(int(length[1]))
                if b"/sink" in head:
                    while await reader.read(1 << 20):
                        pass
                    return
                if b"/paced" in head:
                    writer.write(HEAD)
                    for _ in range(EVENTS):
                        await asyncio.sleep(1 / 20)
                        writer.write(CHUNK)
                    writer.write(END)
                elif b"/fast" in head:
                    writer.write(HEAD)
                    for _ in range(FAST_EVENTS // 20):
                        writer.write(CHUNK * 20)
                        await writer.drain()
                    writer.write(END)
                else:
                    writer.write(HEAD + CHUNK * 20 + END)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running() -> Iterator[int]:
    command = [sys.executable, "-m", "bench.upstream", "serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


# Those who are compared


class Relay(asyncio.BufferedProtocol):
    """Knows only how an answer of this server's ends. It reads as the client does, into one buffer."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(http1.READ_SIZE))
        self.sink: Sink = lambda data: None
        self.done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self.buffer[:nbytes])
        self.sink(data)
        if data.endswith(END) and self.done:
            self.done.set_result(None)


@contextlib.asynccontextmanager
async def raw() -> AsyncIterator[Ask]:
    idle: list[Relay] = []
    made: list[Relay] = []

    async def ask(port: int, path: str, body: bytes, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        if idle:
            relay = idle.pop()
        else:
            _, relay = await loop.create_connection(Relay, "127.0.0.1", port)
            made.append(relay)
        relay.sink, relay.done = sink, loop.create_future()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        # No empty part: asyncio would try to write it for ever, at full speed.
        relay.transport.writelines([head.encode(), body] if body else [head.encode()])
        await relay.done
        idle.append(relay)

    yield ask
    for each in made:
        each.transport.abort()


def request(path: str, body: bytes) -> http1.Request:
    fields = [(b"host", b"x"), (b"content-length", b"%d" % len(body))]
    return http1.Request(b"POST", path.encode(), fields)


@contextlib.asynccontextmanager
async def direct() -> AsyncIterator[Ask]:
    """As the proxy does it: within the read."""
    upstream = client.Client()

    async def ask(port: int, path: str, body: bytes, sink: Sink) -> None:
        destination = dial.Destination("http", "127.0.0.1", port)

        def take(data: bytes) -> bool:
            sink(data)
            return True

        async with upstream.request(destination, request(path, body), body) as got:
            await got.head()
            got.direct = take
            while (data := await got.next()) is not None:
                sink(data)

    yield ask
    await upstream.close()


@contextlib.asynccontextmanager
async def iterated() -> AsyncIterator[Ask]:
    upstream = client.Client()

    async def ask(port: int, path: str, body: bytes, sink: Sink) -> None:
        destination = dial.Destination("http", "127.0.0.1", port)
        async with upstream.request(destination, request(path, body), body) as got:
            async for data in got:
                sink(data)

    yield ask
    await upstream.close()


@contextlib.asynccontextmanager
async def by_httpx() -> AsyncIterator[Ask]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=30) as http:

        async def ask(port: int, path: str, body: bytes, sink: Sink) -> None:
            url = f"http://127.0.0.1:{port}{path}"
            async with http.stream("POST", url, content=body) as got:
                async for data in got.aiter_raw():
                    sink(data)

        yield ask


COMPARED = {
    "raw relay": raw,
    "upstream, direct": direct,
    "upstream, async for": iterated,
    "httpx": by_httpx,
}


# What they do: each gives the microseconds of processor time, and of the clock, for one


async def paced(ask: Ask, port: int, sink: Sink) -> tuple[float, float]:
    with stopwatch(STREAMS * EVENTS) as seen:
        await asyncio.gather(*(ask(port, "/paced", b"", sink) for _ in range(STREAMS)))
    return seen[0], seen[1]


async def fast(ask: Ask, port: int, sink: Sink) -> tuple[float, float]:
    with stopwatch(FAST_EVENTS) as seen:
        await ask(port, "/fast", b"", sink)
    return seen[0], seen[1]


async def whole(ask: Ask, port: int, sink: Sink) -> tuple[float, float]:
    with stopwatch(REQUESTS) as seen:
        for _ in range(REQUESTS):
            await ask(port, "/whole", BODY, sink)
    return seen[0], seen[1]


@contextlib.contextmanager
def stopwatch(count: int) -> Iterator[list[float]]:
    seen: list[float] = []
    processor, clock = time.process_time(), time.perf_counter()
    yield seen
    seen += [
        (time.process_time() - processor) / count * 1e6,
        (time.perf_counter() - clock) / count * 1e6,
    ]


WORK = {
    f"a paced event ({STREAMS} streams, 20 a second)": paced,
    "an event of a fast stream": fast,
    "a request of 48 KB, answer of 20 events": whole,
}


async def measure(name: str, port: int) -> dict[str, tuple[float, float]]:
    _, sink = await asyncio.open_connection("127.0.0.1", port)
    sink.write(b"POST /sink HTTP/1.1\r\n\r\n")
    async with COMPARED[name]() as ask:
        await asyncio.gather(*(ask(port, "/whole", b"", sink.write) for _ in range(STREAMS)))
        figures = {label: await work(ask, port, sink.write) for label, work in WORK.items()}
    sink.transport.abort()
    return figures


def main() -> None:
    rounds: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in COMPARED}
    with running() as port:
        for _ in range(ROUNDS):
            for name, figures in rounds.items():
                figures.append(asyncio.run(measure(name, port)))
    for label in WORK:
        print(f"\n{label}".ljust(48) + "processor, µs   ratio   per second")
        floor = statistics.median(each[label][0] for each in rounds["raw relay"])
        for name, figures in rounds.items():
            processor, clock = (
                statistics.median(each[label][i] for each in figures) for i in (0, 1)
            )
            speed = f"{1e6 / clock:12,.0f}" if "paced" not in label else ""
            print(f"  {name}".ljust(47) + f"{processor:14.1f} {processor / floor:7.2f} {speed}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main()
