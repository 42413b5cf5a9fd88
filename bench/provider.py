"""A provider for measurements: the same answers to everyone, made in advance, over HTTP and over TLS.

Run by `running`, in a process of its own. A request's first words say how its answer comes, as `MODE`
has it: "whole", "fast" or "paced"; "short" and "long" are JSON, and "stream" is a stream of 631 events. Each event says when it was sent. It also counts its connections, and
relays what comes to a third port to the one with TLS, with a delay each way.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import measure
from simulator import tls

ROUND_TRIP = 0.05
"""Seconds, of the relay."""
WHOLE_EVENTS = 20
FAST_EVENTS = 4000
STREAM_EVENTS = 625
"""Besides the six at the beginning and the end."""
LONG = 30_000
"""Bytes."""
PACE = 20
"""Events a second in a paced answer."""
PACED_SECONDS = 6.0

MODE = re.compile(rb'"Begin: (\w+)\."')
STAMP = b"~%015d~"
"""Microseconds of the monotonic clock, which is one for all processes of a machine."""

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
    b'"role":"assistant","model":"glm-5","content":[],"stop_reason":null,"stop_sequence":null,'
    b'"usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"%b looks at the parser"}}\n\n'
)
STOP = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
    b'"stop_sequence":null},"usage":{"output_tokens":9}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
HEADERS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"
WHOLE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"glm-5","content":[{"type":"text",'
    b'"text":"%b"}],"stop_reason":"end_turn","stop_sequence":null,'
    b'"usage":{"input_tokens":9,"output_tokens":9}}'
)


class Provider(NamedTuple):
    """Its ports."""

    plain: int
    tls: int
    far: int
    """To the one with TLS, with a delay."""

    def connections(self) -> int:
        """How many have been made, but for those that ask this."""
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=10)
        connection.request("GET", "/connections")
        count = int(connection.getresponse().read())
        connection.close()
        return count


@contextlib.contextmanager
def running() -> Iterator[Provider]:
    command = [sys.executable, "-m", "bench.provider"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=measure.ROOT)
    try:
        assert process.stdout
        yield Provider(*(int(port) for port in process.stdout.readline().split()))
    finally:
        process.terminate()
        process.wait()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta() -> bytes:
    return chunk(DELTA % (STAMP % (time.monotonic_ns() // 1000)))


def whole(size: int) -> bytes:
    """An answer that isn't a stream, of at least so many bytes."""
    words = STAMP % (time.monotonic_ns() // 1000) + b" looks at the parser"
    body = WHOLE % b" ".join([words] * max(size // len(words), 1))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


class Server:
    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                headers = await reader.readuntil(b"\r\n\r\n")
                if headers.startswith(b"GET /connections "):
                    self.connections -= 1
                    count = str(self.connections).encode()
                    writer.write(
                        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(count), count)
                    )
                    continue
                body = await self.body(headers, reader)
                await self.answer(body, writer)

    async def body(self, headers: bytes, reader: asyncio.StreamReader) -> bytes:
        if length := re.search(rb"(?i)content-length: *(\d+)", headers):
            return await reader.readexactly(int(length[1]))
        if not re.search(rb"(?i)transfer-encoding: *chunked", headers):
            return b""
        pieces = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            pieces.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return b"".join(pieces)

    async def answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        words = MODE.search(body)
        mode = words[1] if words else b"whole"
        if mode == b"paced":
            writer.write(HEADERS + chunk(START))
            for _ in range(round(PACED_SECONDS * PACE)):
                writer.write(delta())
                await asyncio.sleep(1 / PACE)
            writer.write(chunk(STOP) + END)
        elif mode == b"fast":
            writer.write(HEADERS + chunk(START))
            for _ in range(FAST_EVENTS // 20):
                for _ in range(20):
                    writer.write(delta())
                await writer.drain()
            writer.write(chunk(STOP) + END)
        elif mode in (b"short", b"long"):
            writer.write(whole(LONG if mode == b"long" else 0))
        elif mode == b"stream":
            writer.write(HEADERS + chunk(START))
            for _ in range(STREAM_EVENTS // 5):
                writer.write(b"".join(delta() for _ in range(5)))
                await writer.drain()
            writer.write(chunk(STOP) + END)
        else:
            writer.write(HEADERS + chunk(START) + delta() * WHOLE_EVENTS + chunk(STOP) + END)


class Delayed(asyncio.Protocol):
    """One side of a relayed connection: what it gets, its peer sends half a round trip later."""

    def __init__(self, first: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.peer: Delayed | None = None
        self.transport: asyncio.Transport | None = None
        # What is sent later arrives later: TCP keeps the order.
        self.earliest = self.loop.time() + first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.later(lambda peer: peer.write(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.later(lambda peer: peer.close())

    def later(self, call: Callable[[asyncio.Transport], None]) -> None:
        self.earliest = max(self.earliest, self.loop.time() + ROUND_TRIP / 2)
        self.loop.call_at(self.earliest, self.act, call)

    def act(self, call: Callable[[asyncio.Transport], None]) -> None:
        if self.peer and self.peer.transport:
            call(self.peer.transport)


async def relay(port: int) -> int:
    """A listener's port: what connects to it reaches `port`, ROUND_TRIP away."""
    loop = asyncio.get_running_loop()
    tasks = set()

    async def connect(near: Delayed) -> None:
        _, far = await loop.create_connection(lambda: Delayed(0), "127.0.0.1", port)
        near.peer, far.peer = far, near

    def accept() -> Delayed:
        # The kernel says yes at once; over the distance, that takes a round trip.
        near = Delayed(ROUND_TRIP)
        task = loop.create_task(connect(near))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return near

    server = await loop.create_server(accept, "127.0.0.1", 0, backlog=1000)
    return int(server.sockets[0].getsockname()[1])


async def serve() -> None:
    server = Server()
    with tempfile.TemporaryDirectory() as folder:
        context = tls.context(Path(folder), ["http/1.1"])
        plain = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1000)
        secure = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1000, ssl=context)
        first, second = (each.sockets[0].getsockname()[1] for each in (plain, secure))
        print(first, second, await relay(second), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
