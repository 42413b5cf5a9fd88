"""An upstream's answer on its way to the client: decoded, cut into events, judged, rewritten."""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http

from claude_route.dialects import dialect
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.wire import content_encoding
from claude_route.wire import http_message
from claude_route.wire import sse

MAX_ERROR_BODY = 64 * 1024
"""Bytes kept of a failed answer: far more than any error message."""

MAX_PROLOGUE = 64 * 1024
"""Bytes of comments and pings before the first event, which are held back."""

MAX_BODY = 64 * 1024 * 1024
"""Bytes of an answer that isn't streamed, twice what a request may have, and of what one read of a
compressed stream may stand for."""

PIECE = 1024
"""Bytes decoded at a time, so that a body made to burst is noticed early."""

# What is nobody's business but that of the connection that it came by (RFC 9110, 7.6.1), or was
# true of the body before it was decoded.
NOT_PASSED = (
    b"connection",
    b"content-encoding",
    b"content-length",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
)


def unchanged(data: bytes) -> bytes:
    return data


def judge(
    response: http.Response,
    call: dialect.Call,
    redact: Callable[[bytes], bytes] = unchanged,
) -> contract.Reply:
    """What is to be made of an answer with this head; `redact` takes secrets out of an error that
    ends a stream."""
    if not 200 <= response.status_code < 300:
        return Refusal(response)
    try:
        body = Body(response)
    except ValueError as e:
        return Refusal(response, str(e))
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return Stream(decoded_head(response), body, call.stream(), redact)
    return Whole(decoded_head(response), body, call)


def decoded_head(response: http.Response) -> http.Response:
    """The head of the same answer from us: what is said of the body and the connection is gone."""
    headers = http.Headers(http_message.changed(response.headers.fields, dict.fromkeys(NOT_PASSED)))
    # Whatever the upstream speaks: mitmproxy turns this into what the client does.
    return http_message.like(response, headers=headers, http_version=b"HTTP/1.1")


class Body:
    """Undoes an answer's content-encoding.

    Raises:
        ValueError: an encoding that we do not know; from feed() and end(), data that is not in it,
            or that stands for far too much.
    """

    def __init__(self, response: http.Response) -> None:
        encoding = response.headers.get("content-encoding")
        self._decompressor = content_encoding.Decompressor(encoding) if encoding else None

    def feed(self, data: bytes) -> bytes:
        if self._decompressor is None:
            return data
        decoded = bytearray()
        for start in range(0, len(data), PIECE):
            try:
                decoded += self._decompressor.feed(data[start : start + PIECE])
            except OverflowError as e:
                raise ValueError(str(e)) from e
            if len(decoded) > MAX_BODY:
                raise ValueError(f"body: expected at most {MAX_BODY} bytes, got more")
        return bytes(decoded)

    def end(self) -> None:
        if self._decompressor:
            self._decompressor.finish()


class Refusal:
    """An answer that is none: its body is collected, for it says why."""

    good = complete = False
    usage: usage.Usage | None = None
    output = 0
    error = ""

    def __init__(self, response: http.Response, unreadable: str = "") -> None:
        """`unreadable` says why nothing can be made of an answer that is none for that alone."""
        self.response = response
        self.failure: contract.Failure | None = None
        self._body = bytearray()
        if unreadable:
            self.failure = contract.Failure(failures.Kind.RESET, unreadable, decoded_head(response))

    def feed(self, data: bytes) -> bytes:
        self._body += data
        if len(self._body) > MAX_ERROR_BODY:
            self.end()
        return b""

    def end(self) -> bytes:
        response = decoded_head(self.response)
        response.content = self._readable()[:MAX_ERROR_BODY]
        status = f"HTTP {response.status_code}"
        self.failure = self.failure or contract.Failure(failures.Kind.STATUS, status, response)
        return b""

    def _readable(self) -> bytes:
        """What there is of the body, which may have been cut."""
        decoded = bytearray()
        try:
            body = Body(self.response)
            for start in range(0, len(self._body), PIECE):
                decoded += body.feed(bytes(self._body[start : start + PIECE]))
                if len(decoded) > MAX_ERROR_BODY:
                    break
        except ValueError:
            pass
        return bytes(decoded)

    def broken(self, why: str) -> bytes:
        return b""


class Whole:
    """A JSON answer: only whole can it be judged and rewritten."""

    error = ""

    def __init__(self, response: http.Response, body: Body, call: dialect.Call) -> None:
        self.response = response
        self.good = self.complete = False
        self.failure: contract.Failure | None = None
        self.usage: usage.Usage | None = None
        self._body = body
        self._call = call
        self._decoded = bytearray()

    @property
    def output(self) -> int:
        return self.usage.output if self.usage else 0

    def feed(self, data: bytes) -> bytes:
        try:
            self._decoded += self._body.feed(data)
        except ValueError as e:
            self._fail(str(e))
        if len(self._decoded) > MAX_BODY:
            self._fail(f"body: expected at most {MAX_BODY} bytes, got more")
        return b""

    def end(self) -> bytes:
        body = bytes(self._decoded)
        if self._call.is_error(body):
            self.response.content = body[:MAX_ERROR_BODY]
            self.failure = contract.Failure(
                failures.Kind.EVENT, "an error with status 200", self.response
            )
            return b""
        try:
            self._body.end()
            answer = self._call.answer(body)
        except ValueError as e:
            self._fail(str(e))
            return b""
        self.usage = self._call.usage(body)
        self.response.headers["content-length"] = str(len(answer))
        self.good = self.complete = True
        return answer

    def _fail(self, why: str) -> None:
        self.failure = self.failure or contract.Failure(failures.Kind.RESET, why, self.response)

    def broken(self, why: str) -> bytes:
        return b""


class Stream:
    """Server-sent events, passed on whole event by whole event, as they come."""

    def __init__(
        self,
        response: http.Response,
        body: Body,
        rewriter: dialect.Rewriter,
        redact: Callable[[bytes], bytes],
    ) -> None:
        self.response = response
        self.good = self.complete = False
        self.failure: contract.Failure | None = None
        self._body = body
        self._decoder = sse.Decoder()
        self._rewriter = rewriter
        self._redact = redact
        self._prologue = 0
        self._is_over = False

    @property
    def usage(self) -> usage.Usage:
        return self._rewriter.meter.usage

    @property
    def output(self) -> int:
        return self._rewriter.meter.output

    @property
    def error(self) -> str:
        return self._rewriter.error

    def feed(self, data: bytes) -> bytes:
        if self._is_over:
            return b""
        try:
            data = self._body.feed(data)
        except ValueError as e:
            return self._give_up(str(e))
        return self._rewrite(self._decoder.feed(data))

    def _rewrite(self, events: list[sse.Event]) -> bytes:
        out = []
        for event in events:
            rewritten = self._rewriter.feed(event)
            if not self.good:
                self._begin(event)
                if self.failure:
                    return b""
            out.append(self._redact(rewritten) if self._rewriter.error else rewritten)
        self.complete = self._rewriter.complete
        return b"".join(out)

    def _begin(self, event: sse.Event) -> None:
        """Whether the answer begins with this event; if it is an error, there is no answer."""
        if self._rewriter.error:
            self._is_over = True
            self.response.content = event.data[:MAX_ERROR_BODY]
            self.failure = contract.Failure(
                failures.Kind.EVENT, "its first event is an error", self.response
            )
        elif self._rewriter.begun:
            self.good = True
        else:
            self._prologue += len(event.raw)
            if self._prologue > MAX_PROLOGUE:
                self._give_up("nothing but pings")

    def end(self) -> bytes:
        if self._is_over:
            return b""
        out = b""
        if self._decoder.rest():
            # Some leave out the last blank line.
            last = self._decoder.feed(b"\n\n")
            out = self._rewrite([event for event in last if self._rewriter.is_whole(event)])
        if self.good:
            out += self._rewriter.end()
            self.complete = self._rewriter.complete
            out += self.broken("the provider ended it too early")
        self._is_over = True
        return out

    def broken(self, why: str) -> bytes:
        return b"" if self.complete else self._give_up(why)

    def _give_up(self, why: str) -> bytes:
        if self._is_over:
            return b""
        self._is_over = True
        if not self.good:
            self.failure = contract.Failure(failures.Kind.RESET, why, self.response)
            return b""
        self.complete = True
        return self._rewriter.broken(why)
