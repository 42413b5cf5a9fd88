"""An upstream's answer on its way to the client: decoded, cut into events, judged, rewritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from mitmproxy import http

from claude_route.dialects import envelope
from claude_route.proxy import contract
from claude_route.wire import content_encoding
from claude_route.wire import http_message
from claude_route.wire import rawjson
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

LAST_EVENTS = ("message_stop", "error")


class Rewriter(Protocol):
    """Makes the client's events out of the upstream's. Never raises."""

    def feed(self, event: sse.Event) -> bytes: ...
    def end(self) -> bytes: ...


class Translator(Protocol):
    """Makes the client's answer out of the upstream's."""

    def stream(self) -> Rewriter: ...
    def answer(self, body: bytes) -> bytes:
        """Raises ValueError when the body is no answer."""


def unchanged(data: bytes) -> bytes:
    return data


def judge(
    response: http.Response,
    translator: Translator,
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
        return Stream(decoded_head(response), body, translator.stream(), redact)
    return Whole(decoded_head(response), body, translator)


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

    def __init__(self, response: http.Response, unreadable: str = "") -> None:
        """`unreadable` says why nothing can be made of an answer that is none for that alone."""
        self.response = response
        self.failure: contract.Failure | None = None
        self._body = bytearray()
        if unreadable:
            self.failure = contract.Failure("reset", unreadable, decoded_head(response))

    def feed(self, data: bytes) -> bytes:
        self._body += data
        if len(self._body) > MAX_ERROR_BODY:
            self.end()
        return b""

    def end(self) -> bytes:
        response = decoded_head(self.response)
        response.content = self._readable()[:MAX_ERROR_BODY]
        status = f"HTTP {response.status_code}"
        self.failure = self.failure or contract.Failure("status", status, response)
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

    def __init__(self, response: http.Response, body: Body, translator: Translator) -> None:
        self.response = response
        self.good = self.complete = False
        self.failure: contract.Failure | None = None
        self._body = body
        self._translator = translator
        self._decoded = bytearray()

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
        if is_error(body):
            self.response.content = body[:MAX_ERROR_BODY]
            self.failure = contract.Failure("event", "an error with status 200", self.response)
            return b""
        try:
            self._body.end()
            body = self._translator.answer(body)
        except ValueError as e:
            self._fail(str(e))
            return b""
        self.response.headers["content-length"] = str(len(body))
        self.good = self.complete = True
        return body

    def _fail(self, why: str) -> None:
        self.failure = self.failure or contract.Failure("reset", why, self.response)

    def broken(self, why: str) -> bytes:
        return b""


class Stream:
    """Server-sent events, passed on whole event by whole event, as they come."""

    def __init__(
        self,
        response: http.Response,
        body: Body,
        rewriter: Rewriter,
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
        self._last = ""
        self._is_over = False

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
                self._begin(event, rewritten)
                if self.failure:
                    return b""
            if event.name:
                self._last = event.name
            elif event.data:
                # Chat Completions has no names for events: those that we made of them tell.
                self._last = last_name(rewritten) or self._last
            self.complete = self.complete or self._last in LAST_EVENTS
            out.append(self._redact(rewritten) if self._last == "error" else rewritten)
        return b"".join(out)

    def _begin(self, event: sse.Event, rewritten: bytes) -> None:
        """Whether the answer begins with this event; if it is an error, there is no answer."""
        if event.name == "error" or is_error(event.data) or rewritten.startswith(b"event: error\n"):
            self._is_over = True
            self.response.content = event.data[:MAX_ERROR_BODY]
            self.failure = contract.Failure("event", "its first event is an error", self.response)
        elif event.data and event.name != "ping":
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
            out = self._rewrite([e for e in self._decoder.feed(b"\n\n") if is_whole(e)])
        if self.good:
            rest = self._rewriter.end()
            self._last = last_name(rest) or self._last
            self.complete = self.complete or self._last in LAST_EVENTS
            out += rest + self.broken("the provider ended it too early")
        self._is_over = True
        return out

    def broken(self, why: str) -> bytes:
        return b"" if self.complete else self._give_up(why)

    def _give_up(self, why: str) -> bytes:
        if self._is_over:
            return b""
        self._is_over = True
        if not self.good:
            self.failure = contract.Failure("reset", why, self.response)
            return b""
        self.complete = True
        if self._last == "message_delta":
            # The stop reason was there: nothing is missing but the word that nothing is.
            return sse.encode("message_stop", b'{"type":"message_stop"}')
        return sse.encode("error", envelope.body("api_error", f"The answer broke off: {why}"))


class _Typed(msgspec.Struct):
    type: object = None
    error: object = None


def is_error(body: bytes) -> bool:
    """Whether an answer, or the data of a first event, is an error after all."""
    if b'"error"' not in body[:MAX_ERROR_BODY]:
        return False
    try:
        typed = rawjson.decode_mended(body, _Typed)
    except ValueError:
        return False
    # Chat Completions has `error` alone, and in a good answer none, or null.
    return typed.type == "error" or (typed.type is None and bool(typed.error))


def is_whole(event: sse.Event) -> bool:
    """Whether an event that has no end has all its data."""
    if event.data == b"[DONE]":
        return True
    try:
        rawjson.decode_mended(event.data, object)
    except ValueError:
        return False
    return True


def last_name(events: bytes) -> str:
    """The name of the last of some events that we made, "" if there is none."""
    _, found, rest = (b"\n" + events).rpartition(b"\nevent: ")
    return rest.partition(b"\n")[0].decode(errors="replace") if found else ""
