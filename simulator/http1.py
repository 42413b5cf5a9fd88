"""HTTP/1.1, written by hand, because tests must be able to break its rules."""

from __future__ import annotations

import asyncio
import http
import socket
import struct
from collections.abc import Awaitable
from collections.abc import Callable
from typing import NamedTuple
from typing import Protocol

from simulator import faults

BODY_LIMIT = 40 << 20


class Request(NamedTuple):
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    http: str


class Channel(Protocol):
    """Sends one answer to its client. Raises ConnectionError when the client has disconnected."""

    async def left(self, delay: float) -> bool:
        """Wait, and return whether the client has disconnected meanwhile."""

    async def head(self, plan: faults.Plan) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def end(self, end: faults.End) -> None: ...


Handler = Callable[[Request, Channel], Awaitable[None]]


class Watched(asyncio.StreamReaderProtocol):
    """Sets `gone` as soon as the client closes its side, even while it isn't being read."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> None:
        super().__init__(reader, connected)
        self.gone = asyncio.Event()

    def eof_received(self) -> bool | None:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


async def waited(gone: asyncio.Event, delay: float) -> bool:
    """Whether `gone` was set within `delay` seconds. Other tasks run meanwhile, even for 0."""
    if delay:
        try:
            async with asyncio.timeout(delay):
                await gone.wait()
        except TimeoutError:
            pass
    else:
        await asyncio.sleep(0)
    return gone.is_set()


async def serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    gone: asyncio.Event,
    handler: Handler,
) -> None:
    """Answer one request after the other until the connection ends."""
    while True:
        try:
            request = await _read(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except (ValueError, asyncio.LimitOverrunError) as e:
            text = f"bad request: {e}".encode()
            head = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            writer.write(head % len(text) + text)
            return
        channel = _Channel(writer, gone)
        await handler(request, channel)
        if not channel.reusable or gone.is_set():
            return


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    start, *lines = head[:-4].decode("latin-1").lstrip("\r\n").split("\r\n")
    method, path, _ = start.split(" ")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("expected a header, got a line without a colon")
        headers.append((name, value.strip(" \t")))
    known = {name.lower(): value for name, value in headers}
    if known.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in known.get("transfer-encoding", "").lower():
        body = await _chunked(reader)
    else:
        length = int(known.get("content-length", "0"))
        if length > BODY_LIMIT:
            raise ValueError(f"expected a body of at most {BODY_LIMIT} bytes, got {length}")
        body = await reader.readexactly(length)
    return Request(method, path, headers, body, "1.1")


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        if len(body) + size > BODY_LIMIT:
            raise ValueError(f"expected a body of at most {BODY_LIMIT} bytes")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)


def framing(plan: faults.Plan) -> faults.Framing:
    """The framing to use; never "auto"."""
    if plan.delivery.framing != "auto":
        return plan.delivery.framing
    streamed = any(value.startswith("text/event-stream") for _, value in plan.headers)
    return "chunked" if streamed else "length"


class _Channel:
    def __init__(self, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self._writer = writer
        self._gone = gone
        self._chunked = False
        self.reusable = False

    async def left(self, delay: float) -> bool:
        return await waited(self._gone, delay)

    async def head(self, plan: faults.Plan) -> None:
        how = framing(plan)
        try:
            phrase = http.HTTPStatus(plan.status).phrase
        except ValueError:
            phrase = "Overloaded" if plan.status == 529 else "Unknown"
        lines = [f"HTTP/1.1 {plan.status} {phrase}"]
        lines += (f"{name}: {value}" for name, value in plan.headers)
        match how:
            case "chunked":
                lines.append("transfer-encoding: chunked")
            case "length":
                lines.append(f"content-length: {plan.length}")
            case "close":
                lines.append("connection: close")
        self._chunked = how == "chunked"
        self.reusable = how != "close" and plan.delivery.end == "clean"
        await self._send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def write(self, data: bytes) -> None:
        if data:
            await self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self, end: faults.End) -> None:
        match end:
            case "clean":
                if self._chunked:
                    await self._send(b"0\r\n\r\n")
            case "hang":
                await self._gone.wait()
            case "reset":
                _reset(self._writer)

    async def _send(self, data: bytes) -> None:
        if self._gone.is_set():
            raise ConnectionAbortedError
        self._writer.write(data)
        await self._writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the client reads ECONNRESET instead of the end of the stream."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
