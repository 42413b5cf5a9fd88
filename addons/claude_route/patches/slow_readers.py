"""Bounds what mitmproxy keeps for who doesn't read, and how long it keeps it.

Replaces: `ConnectionHandler.handle_connection` and `.drain_writers`, `Layer.__init__`,
`Http1Client.__init__` and `Http2Server.__init__`.
Why: mitmproxy waits with reading until what it has written is read, however long that takes. But it
reads on while an HTTP/2 client has no window open, and while a layer waits (for a connection, or for a
user who has intercepted a flow), and keeps all that comes. And a closed connection whose peer reads
nothing stays open until the peer goes.
Remove when: mitmproxy regulates its reading by what its layers keep, and gives up who reads nothing.
Upstream: docs/upstream/http2-window-of-zero.md, docs/upstream/paused-layers-buffer.md,
docs/upstream/closing-waits-for-ever.md.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable
from collections.abc import Coroutine
from typing import Any
from typing import Protocol

from mitmproxy import connection
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http import _http2

MOST = 256 * 1024
"""Bytes that wait in one place, before no more is read; one more read can come."""

PROGRESS = 16 * 1024
"""Bytes that have to be read in each period of patience."""

LOOK = 0.05
"""Seconds between two looks: mitmproxy tells nobody of what its layers keep."""


class Patience(Protocol):
    """How long a peer may read nothing of what waits for it."""

    @property
    def seconds(self) -> float:
        """In which it has to read PROGRESS bytes."""

    def lost(self) -> None:
        """A peer didn't, and its connection or stream is closed."""


class Default:
    """Implements `Patience`."""

    seconds = 300.0

    def lost(self) -> None:
        """Nobody counts."""


class Kept:
    """What mitmproxy's layers keep."""

    def __init__(self) -> None:
        self.layers: weakref.WeakKeyDictionary[connection.Client, weakref.WeakSet[layer.Layer]] = (
            weakref.WeakKeyDictionary()
        )
        # Each knows its connection: were it held here, the connection would be kept for ever.
        self.framings: weakref.WeakKeyDictionary[
            connection.Client, weakref.ref[_http2.Http2Server]
        ] = weakref.WeakKeyDictionary()
        self.requests: weakref.WeakKeyDictionary[
            connection.Connection, weakref.ref[_http1.Http1Client]
        ] = weakref.WeakKeyDictionary()

    def from_client(self, client: connection.Client) -> int:
        """Bytes that wait for a layer to go on."""
        return sum(
            len(event.data)
            for each in self.layers.get(client, ())
            if each._paused_event_queue
            for event in each._paused_event_queue
            if isinstance(event, events.DataReceived | layers.RequestData)
        )

    def from_upstream(self, client: connection.Client, upstream: connection.Connection) -> int:
        """Bytes that wait for the client to read them, or for a layer to go on."""
        size = 0
        if framing := held(self.framings.get(client)):
            buffers = framing.h2_conn.stream_buffers
            request = held(self.requests.get(upstream))
            streams = buffers if request is None else (request.stream_id,)
            size = sum(len(each.data) for id in streams for each in buffers.get(id or 0, ()))
        return size + sum(
            len(event.data)
            for each in self.layers.get(client, ())
            if each._paused_event_queue
            for event in each._paused_event_queue
            if isinstance(event, layers.ResponseData)
            or (isinstance(event, events.DataReceived) and event.connection is upstream)
        )


def held[T](reference: weakref.ref[T] | None) -> T | None:
    return reference() if reference else None


def install(patience: Patience) -> Callable[[], None]:
    """For every connection from now on; the callable undoes it."""
    kept = Kept()
    handler, base = server.ConnectionHandler, layer.Layer
    handle, drain = handler.handle_connection, handler.drain_writers
    begin, begin_request, begin_framing = (
        base.__init__,
        _http1.Http1Client.__init__,
        _http2.Http2Server.__init__,
    )

    @functools.wraps(handle)
    async def handle_connection(
        self: server.ConnectionHandler, connection: connection.Connection
    ) -> None:
        io = self.transports[connection]
        if isinstance(io.reader, asyncio.StreamReader):
            if connection is self.client:
                size = functools.partial(kept.from_client, self.client)
            else:
                size = functools.partial(kept.from_upstream, self.client, connection)
            vars(io.reader)["read"] = _reading(io.reader.read, size, self, patience)
        try:
            await handle(self, connection)
        finally:
            if isinstance(io.writer, asyncio.StreamWriter):
                close_in_time(io.writer.transport, patience)

    @functools.wraps(drain)
    async def drain_writers(self: server.ConnectionHandler) -> None:
        if not any(is_waiting(io.writer) for io in self.transports.values()):
            await drain(self)  # type: ignore[no-untyped-call]
            return
        async with self._drain_lock:
            for io in list(self.transports.values()):
                if isinstance(io.writer, asyncio.StreamWriter):
                    try:
                        await read_in_time(io.writer, patience)
                    except OSError as e:
                        if io.handler:
                            io.handler.cancel(f"Error sending data: {e}")

    @functools.wraps(begin)
    def begin_layer(self: layer.Layer, whole: context.Context) -> None:
        begin(self, whole)
        kept.layers.setdefault(whole.client, weakref.WeakSet()).add(self)

    @functools.wraps(begin_request)
    def begin_client(self: _http1.Http1Client, whole: context.Context) -> None:
        begin_request(self, whole)
        kept.requests[self.conn] = weakref.ref(self)

    @functools.wraps(begin_framing)
    def begin_server(self: _http2.Http2Server, whole: context.Context) -> None:
        begin_framing(self, whole)
        kept.framings[whole.client] = weakref.ref(self)

    def replace(*methods: Any) -> None:
        (
            handler.handle_connection,  # type: ignore[method-assign]
            handler.drain_writers,  # type: ignore[method-assign]
            base.__init__,  # type: ignore[method-assign]
            _http1.Http1Client.__init__,  # type: ignore[method-assign]
            _http2.Http2Server.__init__,  # type: ignore[method-assign]
        ) = methods

    replace(handle_connection, drain_writers, begin_layer, begin_client, begin_server)
    return lambda: replace(handle, drain, begin, begin_request, begin_framing)


def _reading(
    stock: Callable[[int], Coroutine[None, None, bytes]],
    size: Callable[[], int],
    handler: server.ConnectionHandler,
    patience: Patience,
) -> Callable[[int], Coroutine[None, None, bytes]]:
    async def wait(n: int) -> bytes:
        if not await falls(size, MOST, patience.seconds) and handler.client in handler.transports:
            patience.lost()
            writer = handler.transports[handler.client].writer
            if isinstance(writer, asyncio.StreamWriter):
                writer.transport.abort()
        return await stock(n)

    def read(n: int) -> Coroutine[None, None, bytes]:
        return wait(n) if size() > MOST else stock(n)

    return read


async def falls(size: Callable[[], int], most: int, seconds: float) -> bool:
    """Waits until there is no more than `most`. False if in one period of so many seconds less than
    PROGRESS went away."""
    loop = asyncio.get_running_loop()
    before, until = size(), loop.time() + seconds
    while (left := size()) > most:
        if loop.time() > until:
            if before - left < PROGRESS:
                return False
            before, until = left, loop.time() + seconds
        await asyncio.sleep(LOOK)
    return True


def is_waiting(writer: Any) -> bool:
    return isinstance(writer, asyncio.StreamWriter) and bool(
        writer.transport.get_write_buffer_size()
    )


async def read_in_time(writer: asyncio.StreamWriter, patience: Patience) -> bool:
    """Waits until the peer has read enough that more can be written. False if it doesn't; its connection is
    closed then. Raises OSError where it is lost."""
    while True:
        before = writer.transport.get_write_buffer_size()
        try:
            async with asyncio.timeout(patience.seconds):
                await writer.drain()
                return True
        except TimeoutError:
            if before - writer.transport.get_write_buffer_size() < PROGRESS:
                patience.lost()
                writer.transport.abort()
                return False


def close_in_time(transport: asyncio.WriteTransport, patience: Patience) -> None:
    """See to it that a connection that is being closed doesn't wait for ever for its peer to read."""
    if left := transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(patience.seconds, _look, transport, patience, left)


def _look(transport: asyncio.WriteTransport, patience: Patience, before: int) -> None:
    left = transport.get_write_buffer_size()
    if left and before - left < PROGRESS and transport.is_closing():
        patience.lost()
        transport.abort()
    elif left:
        asyncio.get_running_loop().call_later(patience.seconds, _look, transport, patience, left)
