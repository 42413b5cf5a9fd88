"""HTTP/1.1 over one connection (RFC 9112), parsed by llhttp.

A request goes in, and what comes back reaches a `Receiver` in the event loop's own callbacks, without
a task in between.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple
from typing import Protocol

import httptools

type Fields = Sequence[tuple[bytes, bytes]]
"""Header fields: in order, in their own case, as bytes."""

READ_SIZE = 256 * 1024
"""Bytes of a read buffer: as much as asyncio reads at once by default."""

_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*\"?(\d{1,9})")
_BREAKS = re.compile(rb"[\r\n\0]")

FIELD = 32
"""Bytes that a field counts for beside its text, as in HTTP/2 (RFC 9113, 6.5.2): most of what one costs us is the
same for short ones."""


class Request(NamedTuple):
    """The header section of a request."""

    method: bytes
    target: bytes
    fields: Fields
    local_fields: Fields = ()
    """Sent only where the peer is on this machine."""

    def encode(self) -> bytes:
        """Raises ValueError where a part has a line break, which would make two requests of one."""
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target)]
        lines += [b"%b: %b" % field for field in self.fields]
        if _BREAKS.search(b"".join(lines)):
            raise ValueError("the request has a line break or a NUL in its header section")
        if self.method.split() != [self.method] or self.target.split() != [self.target]:
            raise ValueError("the request's method or target is empty or has a space in it")
        return b"\r\n".join((*lines, b"", b""))

    def with_local_fields(self) -> Request:
        return self._replace(fields=[*self.fields, *self.local_fields], local_fields=())


class Response(NamedTuple):
    """The header section of a response."""

    version: bytes
    """`HTTP/1.1` or `HTTP/1.0`."""
    status: int
    reason: bytes
    fields: Fields


class Receiver(Protocol):
    """Who sent a request. `on_end` or `on_failure` comes last, and only one of them, once."""

    def on_head(self, response: Response) -> None: ...
    def on_data(self, data: bytes) -> None: ...
    def on_end(self, trailers: Fields) -> None: ...
    def on_failure(self, error: ConnectionError) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """A connection, and the one request that is under way on it."""

    transport: asyncio.Transport
    socket: socket.socket | None = None
    """The socket under the transport, to look at; reading and writing are the transport's."""

    def __init__(
        self,
        buffer: memoryview,
        on_close: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        """`buffer` is what every read goes into and is taken out of at once, so that all connections
        of an event loop can share one."""
        self.is_open = False
        self.requests = 0
        """How many it has carried."""
        self.received = 0
        """Bytes that came back since the last request, interim responses included."""
        self.keep_alive: float | None = None
        """Seconds for which the peer says it keeps an idle connection."""
        self._buffer = buffer
        self._on_close = on_close
        self._receiver: Receiver | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._is_writing_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._begin(is_head=False, max_head=0)

    def _begin(self, *, is_head: bool, max_head: int) -> None:
        self._is_head = is_head
        self._max_head = max_head
        self._unproductive = 0  # bytes since the last piece of a body
        self._fields: list[tuple[bytes, bytes]] = []
        self._fields_size = 0
        self._reason = b""
        self._pieces: list[bytes] = []
        self._trailers: list[tuple[bytes, bytes]] = []
        self._response: Response | None = None
        self._is_delimited = False  # by something other than the connection's end
        self._is_head_reported = False
        self._is_complete = False
        self._keeps = False
        self._why = ""

    # What the sender of a request does

    def send(
        self,
        receiver: Receiver,
        *parts: bytes | memoryview,
        is_head: bool = False,
        max_head: int = 256 * 1024,
    ) -> None:
        """Sends a request, or the first parts of one; the rest goes through `write`.

        `is_head` says that it is a HEAD request, whose response has no body. `max_head` bounds, in
        bytes, the response's header section with all interim responses before it, and its trailers.
        """
        assert self.is_open
        assert self._receiver is None
        self._begin(is_head=is_head, max_head=max_head)
        self._parser = httptools.HttpResponseParser(self)
        self._receiver = receiver
        self.requests += 1
        self.received = 0
        # Without empty ones: asyncio keeps one that comes last in its buffer, where it does not count,
        # and tries to write it for as long as the connection lives, at full speed.
        self.transport.writelines([part for part in parts if part])

    def write(self, data: bytes | memoryview) -> None:
        if self.is_open:
            self.transport.write(data)

    async def drain(self) -> None:
        """Waits while the peer is slow to read. Returns at once on a connection that is closed."""
        if self._is_writing_paused and self.is_open:
            if self._drained is None or self._drained.done():
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def pause(self) -> None:
        """Stops reading, so that the peer has to stop sending."""
        if self.is_open:
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.is_open:
            self.transport.resume_reading()

    def close(self) -> None:
        """Closes at once. A request that is under way gets to hear nothing more."""
        self._receiver = None
        if self.is_open:
            self.is_open = False
            self.transport.abort()
            self._on_close(self)

    def abort(self) -> None:
        """Closes at once; a request that is under way fails."""
        self._fail("the client was closed")

    # What a pool asks

    @property
    def is_idle(self) -> bool:
        return self.is_open and self._receiver is None

    @property
    def is_reusable(self) -> bool:
        """Whether the last exchange left the connection fit for another."""
        return self.is_idle and self._keeps and not self.transport.get_write_buffer_size()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come that the event loop has not reported yet: an end above all.

        A look at the socket works on every system and with any number of open files.
        """
        if not self.is_idle:
            return False
        if self.socket is None:
            return True
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    # What asyncio reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.is_open = True

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        receiver = self._receiver
        if receiver is None or self._parser is None:
            self.close()  # nobody has asked for anything
            return
        self.received += nbytes
        self._unproductive += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
            self._keeps = False
            if not self._is_complete:  # else: bytes behind the end, which reach nobody
                self._report(receiver)
                self._fail(f"malformed response: {self._why or e}")
                return
        if self._unproductive > self._max_head and not self._is_complete:
            self._report(receiver)
            self._fail(f"malformed response: {self._too_large()}")
            return
        self._report(receiver)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        was_open, self.is_open = self.is_open, False
        self.resume_writing()
        if was_open:
            self._on_close(self)
        receiver = self._receiver
        if receiver is None:
            return
        if self._is_head_reported and not self._is_delimited and exc is None:
            self._receiver = None
            receiver.on_end(())
        elif self._is_head_reported:
            self._fail("the connection was lost in the middle of the response")
        elif self.received:
            self._fail("the connection was lost in the middle of the response's headers")
        else:
            self._fail("the connection was closed without a response")

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        if self._drained and not self._drained.done():
            self._drained.set_result(None)

    def _report(self, receiver: Receiver) -> None:
        """Whatever is called may close this connection, and then wants to hear nothing more."""
        if self._response and not self._is_head_reported:
            self._is_head_reported = True
            receiver.on_head(self._response)
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            if self._receiver is receiver:
                receiver.on_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._is_complete and self._receiver is receiver:
            self._receiver = self._parser = None
            receiver.on_end(self._trailers)

    def _fail(self, why: str) -> None:
        receiver = self._receiver
        self.close()
        if receiver:
            receiver.on_failure(ConnectionError(why))

    def _too_large(self) -> str:
        part = "trailers or chunk extensions" if self._response else "headers"
        return f"more than {self._max_head} bytes of {part}"

    def _refuse(self, why: str) -> ValueError:
        self._why = why
        return ValueError(why)

    # What the parser reports: an exception stops it

    def on_message_begin(self) -> None:
        if self._is_complete:
            # It must never be taken for the response to the next request.
            raise self._refuse("bytes behind its end")

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_complete:  # a trailer behind the response to HEAD
            raise self._refuse("bytes behind its end")
        self._fields_size += len(name) + len(value) + FIELD
        if self._fields_size > self._max_head:
            raise self._refuse(self._too_large())
        if value[-1:] in (b" ", b"\t"):
            value = value.rstrip(b" \t")
        (self._trailers if self._response else self._fields).append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise self._refuse(f"it speaks HTTP/{version}")
        names: dict[bytes, list[bytes]] = {}
        for name, value in self._fields:
            names.setdefault(name.lower(), []).append(value.lower())
        codings = names.get(b"transfer-encoding")
        has_length = b"content-length" in names
        if status < 100:
            raise self._refuse(f"it has the status {status}")
        if status == 101:
            raise self._refuse("it changes to another protocol")
        if status < 200:
            if codings or has_length:
                raise self._refuse("an interim response with a body")
            return
        if codings and codings != [b"chunked"]:
            # We never offer another (`TE`), and who reads the body could not undo it.
            raise self._refuse("a transfer coding other than `chunked`")
        has_no_body = self._is_head or status in (204, 304)
        self._is_delimited = bool(codings) or has_length or has_no_body
        options = {each.strip() for each in b",".join(names.get(b"connection", ())).split(b",")}
        self._keeps = (
            self._is_delimited
            and b"close" not in options
            and (version == "1.1" or b"keep-alive" in options)
            # HTTP/1.0 has no chunks (RFC 9112, 6.1), and those that a response without a body has
            # all the same would come too late to be noticed.
            and not (codings and (version == "1.0" or has_no_body))
        )
        if match := _TIMEOUT.search(b",".join(names.get(b"keep-alive", ()))):
            self.keep_alive = float(match[1])
        self._unproductive = self._fields_size = 0
        self._is_complete = self._is_head  # the parser knows nothing of the request
        self._response = Response(
            b"HTTP/" + version.encode(), status, self._reason, tuple(self._fields)
        )

    def on_body(self, data: bytes) -> None:
        if self._is_complete:
            raise self._refuse("bytes behind its end")
        self._unproductive = 0
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._response:
            self._is_complete = True
        else:  # 100, 102, 103: the response is yet to come
            self._fields, self._reason, self._fields_size = [], b"", 0
