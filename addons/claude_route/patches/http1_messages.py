"""Reads HTTP/1 messages that mitmproxy can't read, and ends those that nobody can.

Replaces: the name `make_body_reader` in `mitmproxy.proxy.layers.http._http1`, `Http1Connection.read_body`,
`Http1Client.read_headers`, `Http1Server.send` and `Http1Client.send`.
Why: with each of these the other side waits for ever, or mitmproxy logs a traceback. Trailers of a
chunked message raise NotImplementedError; those of an HTTP/2 message raise AssertionError where the
other side speaks HTTP/1; so does a 101 where the client speaks HTTP/2. An interim response (103) is
taken for the final one. What stands between two
chunks, trailers and an upstream's headers may grow without end. A body that came over HTTP/2 without its length
is sent over HTTP/1 without it, too, so that the upstream takes it for another request. Each chunk of a read is an event of its
own, so that a read full of chunks of a byte holds everybody up for a second. A client whose chunks
make no sense gets no answer.
Trailers are dropped, as anybody may do who has no use for them (RFC 9110, section 6.5.1).
Remove when: mitmproxy reads trailers, interim responses and chunks of a limited size, and frames bodies.
Upstream: docs/upstream/http1-trailers.md, docs/upstream/http1-interim-responses.md,
docs/upstream/http1-endless-lines.md, docs/upstream/http2-bodies-in-http1.md.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from collections.abc import Generator
from typing import Any

import h11
from h11 import _receivebuffer
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _base
from mitmproxy.proxy.layers.http import _events
from mitmproxy.proxy.layers.http import _http1

MAX_LINES = 520 * 1024
"""Bytes of what stands between two chunks, or of trailers. More than one read brings (`large_reads`): those
of a client are refused at `max_head_size`, with an answer that it reads to its end."""

MAX_HEADERS = 256 * 1024
"""Bytes of a response's headers."""

MAX_INTERIM = 32
"""Responses before the final one; nobody sends more than a few."""

SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\r\n]*)?")
SWITCH = re.compile(rb"HTTP/1\.[01] 101\b")
INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)\d\d\b")

type Commands = Generator[commands.Command, Any, None]
type Answer = Callable[[str], http.Response]
"""What is wrong with a request -> the response."""


class Chunks:
    """Reads a chunked body, without its trailers: what one read brought is one event."""

    def __init__(self) -> None:
        self.is_malformed = False
        self._left = 0
        """Bytes of the current chunk that are yet to come."""
        self._is_after_chunk = False
        self._is_in_trailers = False
        self._is_over = False

    def __call__(self, buf: _receivebuffer.ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        if self._is_over:
            return h11.EndOfMessage()
        wire = bytes(buf.maybe_extract_at_most(len(buf)) or b"") if buf else b""
        parts: list[bytes] = []
        place = self._take(wire, parts)
        buf += wire[place:]
        if parts:
            return h11.Data(data=b"".join(parts))
        return h11.EndOfMessage() if self._is_over else None

    def _take(self, wire: bytes, parts: list[bytes]) -> int:
        """Appends the data to `parts`, and returns where what is not understood yet begins."""
        place, size = 0, len(wire)
        while place < size and not self._is_in_trailers:
            if self._left:
                parts.append(wire[place : place + self._left])
                place += len(parts[-1])
                self._left -= len(parts[-1])
                self._is_after_chunk = not self._left
                continue
            end = wire.find(b"\r\n", place)
            if end < 0:
                self._check(size - place)
                return place
            if self._is_after_chunk:
                if end != place:
                    raise self._malformed()
                self._is_after_chunk = False
            elif match := SIZE.fullmatch(wire, place, end):
                self._left = int(match[1], 16)
                self._is_in_trailers = not self._left
            else:
                raise self._malformed()
            place = end + 2
        return self._skip_trailers(wire, place) if self._is_in_trailers else place

    def _skip_trailers(self, wire: bytes, place: int) -> int:
        if wire.startswith(b"\r\n", place):
            self._is_over = True
            return place + 2
        end = wire.find(b"\r\n\r\n", place)
        if end < 0:
            self._check(len(wire) - place)
            if wire.startswith(b"\n", place):
                raise self._malformed()
            return place
        self._is_over = True
        return end + 4

    def _check(self, waiting: int) -> None:
        if waiting > (2 if self._is_after_chunk else MAX_LINES):
            raise self._malformed()

    def _malformed(self) -> h11.RemoteProtocolError:
        # Unlike h11's, it doesn't quote: the error is shown and saved.
        self.is_malformed = True
        return h11.RemoteProtocolError("malformed chunks")

    def read_eof(self) -> h11.EndOfMessage:
        raise h11.RemoteProtocolError("the connection was closed within a chunked body")


def install(answer: Answer) -> Callable[[], None]:
    """For every connection from now on; the callable undoes it."""
    server, client, both = _http1.Http1Server, _http1.Http1Client, _http1.Http1Connection
    make, read_body, read_headers = _http1.make_body_reader, both.read_body, client.read_headers
    send_response, send_request = server.send, client.send

    def make_body_reader(expected_size: int | None) -> Any:
        return Chunks() if expected_size is None else make(expected_size)

    def read_body_answered(self: _http1.Http1Connection, event: events.Event) -> Commands:
        for command in read_body(self, event):
            if isinstance(command, commands.CloseConnection) and is_malformed(self):
                response = http1.assemble_response(answer("this request's chunks make no sense"))
                yield commands.SendData(self.conn, response)
            yield command

    def read_final_headers(self: _http1.Http1Client, event: events.ConnectionEvent) -> Commands:
        if isinstance(event, events.DataReceived) and self.request:
            if not drop_interim(self):
                yield from give_up(self, "interim responses without end")
                return
            if SWITCH.match(self.buf._data) and not may_switch(self.request):
                yield from give_up(self, "a switch of protocols that nobody asked for")
                return
        yield from read_headers(self, event)
        if self.stream_id and not self.response and len(self.buf) > MAX_HEADERS:
            yield from give_up(self, "response headers without end")

    def send_response_only(self: _http1.Http1Server, event: layers.HttpEvent) -> Commands:
        if not isinstance(event, _events.ResponseTrailers):
            yield from send_response(self, event)

    def send_request_framed(self: _http1.Http1Client, event: layers.HttpEvent) -> Commands:
        if isinstance(event, _events.RequestHeaders):
            event = framed(event)
        # A chunk of nothing is the end of a body.
        is_nothing = isinstance(event, _events.RequestData) and not event.data
        if not isinstance(event, _events.RequestTrailers) and not is_nothing:
            yield from send_request(self, event)

    def replace(*methods: Any) -> None:
        (
            _http1.make_body_reader,
            both.read_body,  # type: ignore[method-assign]
            client.read_headers,  # type: ignore[method-assign]
            server.send,  # type: ignore[method-assign]
            client.send,  # type: ignore[method-assign]
        ) = methods

    stock = make, read_body, read_headers, send_response, send_request
    ours = (
        make_body_reader,
        read_body_answered,
        read_final_headers,
        send_response_only,
        send_request_framed,
    )
    pairs: Any = zip(stock, ours, strict=True)
    replace(*(functools.wraps(before)(after) for before, after in pairs))
    return lambda: replace(*stock)


def framed(event: _events.RequestHeaders) -> _events.RequestHeaders:
    """HTTP/2 says where a body ends without its length. Without either, an HTTP/1 server would take the body
    for the next request."""
    request = event.request
    is_http1 = not (request.is_http2 or request.is_http3)
    if event.end_stream or is_http1 or "content-length" in request.headers:
        return event
    request = request.copy()
    request.headers["transfer-encoding"] = "chunked"
    return dataclasses.replace(event, request=request)


def is_malformed(connection: _http1.Http1Connection) -> bool:
    """Whether a client's request makes no sense, and has not been answered."""
    reader = getattr(connection, "body_reader", None)
    return (
        isinstance(connection, _http1.Http1Server)
        and isinstance(reader, Chunks)
        and reader.is_malformed
        and connection.response is None
    )


def drop_interim(connection: _http1.Http1Client) -> bool:
    """Drop the responses before the final one, as far as they are complete. False if there are too many."""
    stream: int | None
    count: int
    stream, count = vars(connection).get("interim", (None, 0))
    if stream != connection.stream_id:
        count = 0
    while INTERIM.match(connection.buf._data) and connection.buf.maybe_extract_lines():
        count += 1
    vars(connection)["interim"] = connection.stream_id, count
    return count <= MAX_INTERIM


def may_switch(request: http.Request) -> bool:
    # HTTP/2 has no 101 (RFC 9113, section 8.6), whatever its client asked for.
    is_http1 = not (request.is_http2 or request.is_http3)
    return is_http1 and "upgrade" in request.headers


def give_up(connection: _http1.Http1Client, why: str) -> Commands:
    assert connection.stream_id is not None
    yield commands.CloseConnection(connection.conn)
    code = layers.ErrorCode.GENERIC_SERVER_ERROR
    error = layers.ResponseProtocolError(connection.stream_id, why, code)
    yield _base.ReceiveHttp(error)
