"""An upstream's answer on its way to the client: decoded, cut into events, judged, rewritten."""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http

from claude_route.dialects import dialect
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.wire import content_encoding
from claude_route.wire import http_message
from claude_route.wire import sse

MAX_ERROR_BODY = 64 * 1024
"""Bytes kept of an error response: far more than any error message needs."""

MAX_PROLOGUE = 64 * 1024
"""The limit in bytes for the comments and pings before the first event, which we hold back."""

MAX_ANSWER = 64 * 1024 * 1024
"""The limit in bytes for an answer that isn't streamed, and for what one read of a compressed
stream may expand to. Twice the limit for requests."""

# Hop-by-hop headers (RFC 9110, 7.6.1), and those that describe the body before it was decoded.
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
    """The reader for a response with these headers. `redact` removes secrets from an error that
    ends a stream."""
    if not 200 <= response.status_code < 300:
        return Refusal(response)
    try:
        body = Body(response)
    except ValueError as e:
        return Refusal(response, str(e))
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return Stream(decoded_headers(response), body, call.stream(), redact)
    return Whole(decoded_headers(response), body, call)


def decoded_headers(response: http.Response) -> http.Response:
    """The response's headers without those that describe the upstream's body and connection."""
    headers = http.Headers(http_message.changed(response.headers.fields, dict.fromkeys(NOT_PASSED)))
    # mitmproxy converts this to the client's HTTP version, whatever the upstream's is.
    return http_message.like(response, headers=headers, http_version=b"HTTP/1.1")


class Body:
    """Undoes an answer's content-encoding.

    Raises:
        ValueError: an unknown encoding; from feed() and end(), invalid data, or data that expands
        beyond MAX_ANSWER.
    """

    def __init__(self, response: http.Response) -> None:
        encoding = response.headers.get("content-encoding")
        self._decompressor = content_encoding.Decompressor(encoding) if encoding else None

    def feed(self, data: bytes) -> bytes:
        if self._decompressor is None:
            return data
        decoded = bytearray()
        for start in range(0, len(data), content_encoding.PIECE):
            try:
                decoded += self._decompressor.feed(data[start : start + content_encoding.PIECE])
            except OverflowError as e:
                raise ValueError(str(e)) from e
            if len(decoded) > MAX_ANSWER:
                raise ValueError(f"body: expected at most {MAX_ANSWER} bytes, got more")
        return bytes(decoded)

    def end(self) -> None:
        if self._decompressor:
            self._decompressor.finish()


class Refusal:
    """An error response. Collects its body, which says why."""

    good = complete = False
    usage: usage.Usage | None = None
    output = 0
    error = ""

    def __init__(self, response: http.Response, unreadable: str = "") -> None:
        """`unreadable` is why a response with a good status can't be read."""
        self.response = response
        self.failure: contract.Failure | None = None
        self._body = bytearray()
        if unreadable:
            self.failure = contract.Failure(
                failures.Kind.RESET, unreadable, decoded_headers(response)
            )

    def feed(self, data: bytes) -> bytes:
        self._body += data
        if len(self._body) > MAX_ERROR_BODY:
            self.end()
        return b""

    def end(self) -> bytes:
        response = decoded_headers(self.response)
        response.content = self._readable()[:MAX_ERROR_BODY]
        status = f"HTTP {response.status_code}"
        self.failure = self.failure or contract.Failure(failures.Kind.STATUS, status, response)
        return b""

    def _readable(self) -> bytes:
        """The decoded body, as far as it arrived."""
        decoded = bytearray()
        try:
            body = Body(self.response)
            for start in range(0, len(self._body), content_encoding.PIECE):
                decoded += body.feed(bytes(self._body[start : start + content_encoding.PIECE]))
                if len(decoded) > MAX_ERROR_BODY:
                    break
        except ValueError:
            pass
        return bytes(decoded)

    def broken(self, why: str) -> bytes:
        return b""


class Whole:
    """A JSON answer, which can be judged and rewritten only once it is complete."""

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
        if len(self._decoded) > MAX_ANSWER:
            self._fail(f"body: expected at most {MAX_ANSWER} bytes, got more")
        return b""

    def end(self) -> bytes:
        body = bytes(self._decoded)
        if error_body.is_error(body):
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
    """Server-sent events, passed on one whole event at a time, as they arrive."""

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
        """Decide whether this event begins the answer. If it is an error, the attempt has
        failed."""
        if self._rewriter.error:
            self._is_over = True
            self.response.content = event.data[:MAX_ERROR_BODY]
            self.failure = contract.Failure(
                failures.Kind.EVENT, "the first event is an error", self.response
            )
        elif self._rewriter.begun:
            self.good = True
        else:
            self._prologue += len(event.raw)
            if self._prologue > MAX_PROLOGUE:
                self._give_up("sent only pings")

    def end(self) -> bytes:
        if self._is_over:
            return b""
        out = b""
        if self._decoder.rest():
            # Some servers omit the last blank line.
            last = self._decoder.feed(b"\n\n")
            out = self._rewrite([event for event in last if self._rewriter.is_whole(event)])
        if self.good:
            out += self._rewriter.end()
            self.complete = self._rewriter.complete
            out += self.broken("the provider ended the stream early")
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
