"""The shortest way from a stream to its client's socket.

Once an answer streams, each of its events would go through some eight of mitmproxy's layers, which
add nothing but the framing and the encryption: both are done here. Where anything is on the way
that this module does not know, the events go through the layers.

It relies on these names of mitmproxy's:

    Layer              _paused, _paused_event_queue
    HttpLayer          connections
    HttpStream         server_state, state_stream_response_body
    ClientTLSLayer     conn, tls
    Http2Server        h2_conn.stream_buffers
    ConnectionHandler  transports
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from mitmproxy.proxy import layer
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers import tls
from OpenSSL import SSL

from claude_route.patches import slow_readers

HIGH = 64 * 1024
"""Bytes that wait for a client to read them, from which on its upstream waits."""

KNOWN = (
    layer.NextLayer,
    layers.Http1Server,
    layers.HttpLayer,
    layers.HttpStream,
    modes.HttpProxy,
    modes.HttpUpstreamProxy,
    modes.ReverseProxy,
    tls.ServerTLSLayer,
)
"""Layers that leave an answer's bytes as they are, but for the framing."""


class JoinedWrites:
    """Makes one write of all that are made in one turn of the event loop: an answer's headers, its
    first events and, where it is short, its end. Each write is a system call, and wakes the client."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._write = writer.write
        self._parts: list[bytes] = []
        self.size = 0
        """Bytes that are yet to be written."""

    @classmethod
    def of(cls, writer: asyncio.StreamWriter) -> JoinedWrites:
        """For all writes from now on."""
        made = vars(writer).get("joined_writes")
        if made is None:
            made = cls(writer)
            vars(writer).update(
                joined_writes=made,
                write=made.write,
                close=made.before(writer.close),
                write_eof=made.before(writer.write_eof),
                drain=made.before(writer.drain),
            )
        assert isinstance(made, cls)
        return made

    def write(self, data: bytes) -> None:
        if not self._parts:
            asyncio.get_running_loop().call_soon(self.flush)
        self._parts.append(data)
        self.size += len(data)

    def flush(self) -> None:
        if self._parts:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self.size = 0
            if not self._writer.is_closing():
                self._write(data)

    def write_now(self, data: bytes) -> None:
        if self._parts:
            self._parts.append(data)
            self.flush()
        else:
            self._write(data)

    def before[T](self, call: Callable[[], T]) -> Callable[[], T]:
        def flushed() -> T:
            self.flush()
            return call()

        return flushed


class ClientWriter:
    """Writes the body of one streamed answer."""

    def __init__(
        self,
        stream: layers.HttpStream,
        parent: layers.HttpLayer,
        handler: server.ConnectionHandler,
        patience: slow_readers.Patience,
    ) -> None:
        """`stream` has sent the answer's headers."""
        response = stream.flow.response
        assert response
        self._patience = patience
        self._stream = stream
        self._response = response
        self._layers = tuple(stream.context.layers)
        self._is_chunked = "transfer-encoding" in response.headers
        self._tls: SSL.Connection | None = None
        client = stream.context.client
        writer = handler.transports[client].writer if client in handler.transports else None
        self._writer = writer if isinstance(writer, asyncio.StreamWriter) else None
        self._joined = JoinedWrites.of(self._writer) if self._writer else None
        self._framing = parent.connections.get(client)
        self.is_direct = self._writer is not None and self._trace()
        """Whether all on the way is known."""

    def _trace(self) -> bool:
        if self._stream.context.options.store_streamed_bodies:
            return False
        if not isinstance(self._framing, layers.Http1Server):
            return False
        for each in self._layers:
            if type(each) is tls.ClientTLSLayer:
                if self._tls or each.conn is not self._stream.context.client or each.tls is None:
                    return False
                self._tls = each.tls
            elif type(each) not in KNOWN and not isinstance(each, layers.HttpStream):
                return False
        return True

    @property
    def is_free(self) -> bool:
        """Whether what `send` writes comes after all that was sent before, and nobody has ended the
        stream meanwhile."""
        stream = self._stream
        if stream.flow.error or stream.server_state != stream.state_stream_response_body:
            return False
        for each in self._layers:
            if each._paused or each._paused_event_queue:
                return False
        return self.is_direct

    def send(self, data: bytes) -> None:
        assert self._writer and self._joined
        stream = self._response.stream
        if callable(stream):
            chunks = stream(data)
            data = chunks if isinstance(chunks, bytes) else b"".join(chunks)
        if not data or self._writer.is_closing():
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._tls:
            try:
                self._tls.sendall(data)
            except SSL.Error:
                return  # the client has closed its side: the layers will hear of it
            # Records of 16 KiB have some 30 bytes around them each.
            data = self._tls.bio_read(len(data) + len(data) // 64 + 4096)
        self._joined.write_now(data)

    @property
    def is_full(self) -> bool:
        """Whether the client has to read before there is more for it."""
        if self._writer is None:
            return False
        assert self._joined
        waiting = self._writer.transport.get_write_buffer_size() + self._joined.size
        return waiting + self._held_back() > HIGH

    def _held_back(self) -> int:
        """Bytes that an HTTP/2 client's flow control keeps in mitmproxy."""
        if not isinstance(self._framing, layers.Http2Server):
            return 0
        buffers = self._framing.h2_conn.stream_buffers
        return sum(len(each.data) for each in buffers.get(self._stream.stream_id, ()))

    async def drain(self) -> bool:
        """Waits until the client has read. False if it doesn't, for as long as `patience` lasts."""
        assert self._writer
        writer = self._writer
        with contextlib.suppress(OSError):
            if not await slow_readers.read_in_time(writer, self._patience):
                return False
        if self._held_back() <= HIGH:
            return True

        def left() -> int:
            return 0 if writer.is_closing() else self._held_back()

        is_read = await slow_readers.falls(left, HIGH, self._patience.seconds)
        if not is_read:
            self._patience.lost()
        return is_read


def join_writes(handler: server.ConnectionHandler) -> None:
    """For the client of this handler, where it has a socket."""
    io = handler.transports.get(handler.client)
    if io and isinstance(io.writer, asyncio.StreamWriter):
        JoinedWrites.of(io.writer)
