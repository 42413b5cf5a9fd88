"""The bodies of answers: streams and whole ones, judged, rewritten, and converted to what the client
wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from typing import Protocol

from mitmproxy import http

from claude_route.dialects import conversion
from claude_route.dialects import dialect
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.wire import rawjson
from claude_route.wire import shape
from claude_route.wire import sse

type Wanted = Literal["stream", "whole", "count"]
"""What a request asks for: an answer as a stream or whole, or a count of tokens."""

MAX_ERROR_BODY = 64 * 1024
"""Bytes kept of an error response: far more than any error message needs."""

MAX_PROLOGUE = 64 * 1024
"""The limit in bytes for what precedes the first block of a stream, which we hold back."""

MAX_ANSWER = 64 * 1024 * 1024
"""The limit in bytes for an answer that isn't streamed, and for what one read of a compressed
stream may expand to. Twice the limit for requests."""

SSE = "text/event-stream"
JSON = "application/json"

_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:")
_BLANK = b"\xef\xbb\xbf \t\r\n"
"""What may precede a body of either kind: white space, and the bytes of a byte order mark."""


def unchanged(data: bytes) -> bytes:
    return data


def is_stream(begun: bytes, declared: str) -> bool | None:
    """Whether a body that begins so is an event stream; None if that doesn't show yet. `declared` is its
    content-type, which some providers get wrong."""
    text = begun.lstrip(_BLANK)
    if not text:
        return None
    if text[:1] in (b"{", b"[", b"<"):
        return False
    if declared == SSE or _FIELD.match(text):
        return True
    return None if any(field.startswith(text) for field in _FIELDS) else False


class Reader(Protocol):
    """Reads a body of one kind. Never raises."""

    good: bool
    complete: bool
    failure: contract.Failure | None

    @property
    def started(self) -> bool: ...
    @property
    def usage(self) -> usage.Usage | None: ...
    @property
    def output(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def broken(self, why: str) -> bytes: ...
    def commit(self) -> None: ...


@dataclass(frozen=True)
class Bodies:
    """Makes the readers for an answer."""

    response: http.Response
    """The headers that the client gets. A reader sets their content-type, if it is another one."""
    call: dialect.Call
    wants: Wanted
    redact: Callable[[bytes], bytes]
    without_echo: Callable[[bytes], bytes] = unchanged
    """Takes the credential out of an event, or out of a whole answer."""

    def stream(self) -> Reader:
        stream = Stream(self.response, self.call.stream(), self.redact, self.without_echo)
        if self.wants == "stream":
            self.declare(SSE)
            return stream
        self.declare(JSON)
        return Joined(stream, is_count=self.wants == "count")

    def whole(self) -> Reader:
        if self.wants == "count":
            return self._whole(self.call.count)
        if self.wants == "whole":
            self.declare(JSON)
            return self._whole(self.call.answer)
        self.declare(SSE)
        return self._whole(self._streamed)

    def _whole(self, translate: Callable[[bytes], bytes]) -> Whole:
        return Whole(self.response, self.call, lambda body: self.without_echo(translate(body)))

    def _streamed(self, body: bytes) -> bytes:
        return conversion.streamed(self.call.answer(body))

    @property
    def declared(self) -> str:
        """The content-type, without parameters."""
        kind = str(self.response.headers.get("content-type", ""))
        return kind.partition(";")[0].strip().lower()

    def declare(self, kind: str) -> None:
        if self.declared != kind:
            self.response.headers["content-type"] = kind


class Whole:
    """A JSON body, which can be judged and rewritten only once it is complete."""

    started = False
    error = ""

    def __init__(
        self,
        response: http.Response,
        call: dialect.Call,
        translate: Callable[[bytes], bytes],
    ) -> None:
        """`translate` returns what the client gets, or raises ValueError."""
        self.response = response
        self.good = self.complete = False
        self.failure: contract.Failure | None = None
        self.usage: usage.Usage | None = None
        self._translate = translate
        self._call = call
        self._body = bytearray()

    @property
    def output(self) -> int:
        if self.usage:
            return self.usage.output
        return len(self._body) // usage.BYTES_PER_TOKEN if self.complete else 0

    @property
    def message_id(self) -> str:
        return self._call.message_id(bytes(self._body))

    def feed(self, data: bytes) -> bytes:
        self._body += data
        if len(self._body) > MAX_ANSWER:
            why = f"body: expected at most {MAX_ANSWER} bytes, got more"
            self.failure = contract.Failure(failures.Kind.RESET, why, self.response)
        return b""

    def end(self) -> bytes:
        if self.failure:
            return b""
        body = bytes(self._body)
        try:
            if not body.strip():
                raise ValueError("body: expected an answer, got nothing")
            shape.check(body)
            answer = self._translate(body)
        except OverflowError as e:
            self.failure = contract.Failure(failures.Kind.RESET, str(e), self.response)
            return b""
        except ValueError as e:
            self.failure = refused(self.response, body, str(e))
            return b""
        self.usage = self._call.usage(body)
        self.response.headers["content-length"] = str(len(answer))
        self.good = self.complete = True
        return answer

    def broken(self, why: str) -> bytes:
        return b""

    def commit(self) -> None:
        """There is nothing yet."""


def refused(response: http.Response, body: bytes, why: str) -> contract.Failure:
    """The failure of an answer with a good status and this body. Providers report errors so in many
    forms; `why` is our own reason, for a body without words."""
    is_cut = body.lstrip(_BLANK)[:1] in (b"{", b"[") and not rawjson.is_value(body)
    if is_cut:
        return contract.Failure(failures.Kind.RESET, why, response)
    if error_body.read(body).message.strip():
        why = "an error with status 200"
        response.content = body[:MAX_ERROR_BODY]
    return contract.Failure(failures.Kind.EVENT, why, response)


class Stream:
    """Server-sent events, passed on one whole event at a time, as they arrive."""

    def __init__(
        self,
        response: http.Response,
        rewriter: dialect.Rewriter,
        redact: Callable[[bytes], bytes],
        without_echo: Callable[[bytes], bytes] = unchanged,
    ) -> None:
        self.response = response
        self.good = self.complete = False
        self.failure: contract.Failure | None = None
        self._decoder = sse.Decoder()
        self._rewriter = rewriter
        self._redact = redact
        self._without_echo = without_echo
        self._prologue = 0
        self._is_over = False

    @property
    def started(self) -> bool:
        return self._rewriter.started

    @property
    def usage(self) -> usage.Usage:
        return self._rewriter.meter.usage

    @property
    def output(self) -> int:
        return self._rewriter.meter.output

    @property
    def error(self) -> str:
        return self._rewriter.error

    @property
    def message_id(self) -> str:
        return self._rewriter.message_id

    def feed(self, data: bytes) -> bytes:
        if self._is_over:
            return b""
        events = self._decoder.feed(data)
        if len(events) == 1 and self.good and not self._rewriter.complete:
            # The hot path: the client is as fast as the provider.
            out = self._without_echo(self._rewriter.feed(events[0]))
            self.complete = self._rewriter.complete
            return self._redact(out) if self._rewriter.error else out
        return self._rewrite(events)

    def _rewrite(self, events: list[sse.Event]) -> bytes:
        out = []
        for event in events:
            rewritten = self._without_echo(self._rewriter.feed(event))
            if not self.good:
                self._prologue += len(event.raw)
                self._judge(event.data)
                if self.failure:
                    return b""
            out.append(self._redact(rewritten) if self._rewriter.error else rewritten)
        self.complete = self._rewriter.complete
        return b"".join(out)

    def _judge(self, data: bytes) -> None:
        """Decide whether the answer has begun. If the last event, with this data, was an error, the
        attempt has failed."""
        if self._rewriter.error:
            self._is_over = True
            self.response.content = data[:MAX_ERROR_BODY]
            why = "the first event is an error"
            if self._rewriter.started:
                why = "an error before the first block"
            self.failure = contract.Failure(failures.Kind.EVENT, why, self.response)
        elif self._rewriter.begun:
            self.good = True
        elif self._prologue > MAX_PROLOGUE:
            self.commit()
            if not self.good:
                self.broken("sent only pings")

    def commit(self) -> None:
        self.good = self.good or self._rewriter.started

    def end(self) -> bytes:
        if self._is_over:
            return b""
        out = b""
        if self._decoder.rest():
            # Some servers omit the last blank line.
            last = self._decoder.feed(b"\n\n")
            out = self._rewrite([event for event in last if self._rewriter.is_whole(event)])
        if self._rewriter.started and not self._is_over:
            out += self._ended()
        self._is_over = True
        return out

    def _ended(self) -> bytes:
        out = self._rewriter.end()
        self.complete = self._rewriter.complete
        if not self.good and self.complete and not self._rewriter.error:
            self.good = True
        return out + self.broken("the provider ended the stream early")

    def broken(self, why: str) -> bytes:
        if self.complete or self._is_over:
            return b""
        self._is_over = True
        if not self.good:
            self.failure = contract.Failure(failures.Kind.RESET, why, self.response)
            return b""
        self.complete = True
        return self._rewriter.broken(why)


class Joined:
    """Server-sent events for a client that wants a whole answer."""

    def __init__(self, stream: Stream, *, is_count: bool = False) -> None:
        """`is_count`: the client wants a count of tokens, and no stream is one."""
        self.good = self.complete = False
        self.failure: contract.Failure | None = None
        self._stream = stream
        self._is_count = is_count
        self._joiner = conversion.Joiner()
        self._size = 0

    @property
    def started(self) -> bool:
        return self._stream.started

    @property
    def usage(self) -> usage.Usage | None:
        return self._stream.usage

    @property
    def output(self) -> int:
        return self._stream.output

    @property
    def error(self) -> str:
        return ""

    @property
    def message_id(self) -> str:
        return self._stream.message_id

    def feed(self, data: bytes) -> bytes:
        return self._take(self._stream.feed(data))

    def end(self) -> bytes:
        return self._take(self._stream.end())

    def broken(self, why: str) -> bytes:
        return self._take(self._stream.broken(why))

    def _take(self, wire: bytes) -> bytes:
        if self.good or self.failure:
            return b""
        stream, response = self._stream, self._stream.response
        self._joiner.feed(wire)
        self._size += len(wire)
        self.failure = stream.failure
        if self._size > MAX_ANSWER:
            why = f"body: expected at most {MAX_ANSWER} bytes, got more"
            self.failure = contract.Failure(failures.Kind.RESET, why, response)
        if self.failure or not stream.complete:
            return b""
        if stream.error:
            (*_, last) = sse.Decoder().feed(wire)
            self.failure = refused(response, last.data, "an error in the answer")
            return b""
        if self._is_count:
            why = "an event stream in place of a count of tokens"
            self.failure = contract.Failure(failures.Kind.EVENT, why, response)
            return b""
        answer = self._joiner.whole()
        response.headers["content-length"] = str(len(answer))
        self.good = self.complete = True
        return answer

    def commit(self) -> None:
        """It is sent only as a whole."""
