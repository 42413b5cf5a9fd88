"""Servers in the test's own event loop, that do what a script says."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GET = http1.Request(b"GET", b"/", [(b"Host", b"upstream")])


@dataclass
class Peer:
    """One connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    server: Server

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> bytes:
        """Raises IncompleteReadError when the client has gone."""
        head = await self.head()
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        request = head + await self.reader.readexactly(int(length[1]) if length else 0)
        self.server.requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def gone(self) -> None:
        """Waits until the client has closed the connection."""
        while await self.reader.read(65536):
            pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


type Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    script: Script
    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    closed: int = 0
    """Connections that have come to their end."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, len(self.peers), self)
        self.peers.append(peer)
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.script(peer)
        finally:
            self.closed += 1
            self.tasks.discard(task)
            writer.transport.abort()

    @property
    def destination(self) -> dial.Destination:
        return dial.Destination("http", "127.0.0.1", self.port)


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, host, port, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(server.tasks):
            task.cancel()
        await asyncio.gather(*server.tasks)
        for _ in range(3):
            await asyncio.sleep(0)  # transports close their sockets a turn later


def answering(*pieces: bytes) -> Script:
    """Gives each request the same answer."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces)

    return script


async def silent(peer: Peer) -> None:
    """Reads, and says nothing."""
    await peer.gone()


async def until(condition: Callable[[], object]) -> None:
    """Lets the event loop run until this holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is waited for is not ours to signal)
            await asyncio.sleep(0)
