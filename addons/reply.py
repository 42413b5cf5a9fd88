"""An upstream's answer on its way to the client: decoded, cut into events, judged, rewritten."""

from __future__ import annotations

from typing import Protocol

from mitmproxy import http

import decompress
import errors
import failover
import sse

MAX_ERROR_BODY = 64 * 1024
"""Bytes kept of a failed answer: far more than any error message."""

MAX_BODY = 64 * 1024 * 1024
"""Bytes of an answer that isn't streamed, twice what a request may have."""


class Rewriter(Protocol):
    """Makes the client's events out of the upstream's. Never raises."""

    def feed(self, event: sse.Event) -> bytes: ...
    def end(self) -> bytes: ...


class Translator(Protocol):
    """Makes the client's answer out of the upstream's."""

    def stream(self) -> Rewriter: ...
    def answer(self, body: bytes) -> bytes:
        """Raises ValueError when the body is no answer."""


class Untouched:
    """Anthropic's own answers pass byte for byte."""

    def stream(self) -> Rewriter:
        return self

    def feed(self, event: sse.Event) -> bytes:
        return event.raw

    def end(self) -> bytes:
        return b""

    def answer(self, body: bytes) -> bytes:
        return body


def judge(response: http.Response, translator: Translator) -> failover.Reply:
    """What is to be made of an answer with this head."""
    if not 200 <= response.status_code < 300:
        return Refusal(response)
    try:
        decompressor = decompress.Decompressor(response.headers.get("content-encoding"))
    except ValueError as e:
        return Refusal(response, str(e))
    response = decoded_head(response)
    if response.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream":
        return Stream(response, decompressor, translator.stream())
    return Whole(response, decompressor, translator)


def decoded_head(response: http.Response) -> http.Response:
    response = response.copy()
    for name in ("content-encoding", "content-length", "transfer-encoding", "trailer"):
        response.headers.pop(name, None)
    return response


class Refusal:
    """An answer that is none: its body is collected, for it says why."""

    good = False

    def __init__(self, response: http.Response, why: str = "") -> None:
        self.response = response
        self.failure: failover.Failure | None = None
        self._why = why or f"HTTP {response.status_code}"
        self._body = b""

    def feed(self, data: bytes) -> bytes:
        self._body += data
        if len(self._body) > MAX_ERROR_BODY:
            self.end()
        return b""

    def end(self) -> bytes:
        self.failure = failover.Failure("status", self._why, whole_response(self))
        return b""

    def broken(self, why: str) -> bytes:
        return b""

    @property
    def body(self) -> bytes:
        return self._body


def whole_response(refusal: Refusal) -> http.Response:
    response = decoded_head(refusal.response)
    try:
        decompressor = decompress.Decompressor(refusal.response.headers.get("content-encoding"))
        body = decompressor.feed(refusal.body)
    except ValueError:
        body = b""
    response.content = body[:MAX_ERROR_BODY]
    return response


class Whole:
    """A JSON answer: only whole can it be judged and rewritten."""

    def __init__(
        self,
        response: http.Response,
        decompressor: decompress.Decompressor,
        translator: Translator,
    ) -> None:
        self.response = response
        self.good = False
        self.failure: failover.Failure | None = None
        self._decompressor = decompressor
        self._translator = translator
        self._body = bytearray()

    def feed(self, data: bytes) -> bytes:
        try:
            self._body += self._decompressor.feed(data)
        except ValueError as e:
            self._fail(str(e))
        if len(self._body) > MAX_BODY:
            self._fail(f"its body exceeds {MAX_BODY // 1024 // 1024} MB")
        return b""

    def end(self) -> bytes:
        try:
            body = self._translator.answer(bytes(self._body) + self._decompressor.finish())
        except ValueError as e:
            self._fail(str(e))
            return b""
        self.response.headers["content-length"] = str(len(body))
        self.good = True
        return body

    def _fail(self, why: str) -> None:
        self.failure = failover.Failure("event", why, self.response)

    def broken(self, why: str) -> bytes:
        return b""


class Stream:
    """Server-sent events, passed on whole event by whole event, as they come."""

    def __init__(
        self,
        response: http.Response,
        decompressor: decompress.Decompressor,
        rewriter: Rewriter,
    ) -> None:
        self.response = response
        self.response.headers["transfer-encoding"] = "chunked"
        self.good = False
        self.failure: failover.Failure | None = None
        self._decompressor = decompressor
        self._decoder = sse.Decoder()
        self._rewriter = rewriter
        self._open = True
        self._complete = False

    def feed(self, data: bytes) -> bytes:
        if not self._open:
            return b""
        try:
            data = self._decompressor.feed(data)
        except ValueError as e:
            return self._give_up(str(e))
        return self._rewrite(self._decoder.feed(data))

    def _rewrite(self, events: list[sse.Event]) -> bytes:
        out = []
        for event in events:
            if not self.good and not self._begins(event):
                if self.failure:
                    return b""
            elif event.name in ("message_stop", "error") or event.data == b"[DONE]":
                self._complete = True
            out.append(self._rewriter.feed(event))
        return b"".join(out)

    def _begins(self, event: sse.Event) -> bool:
        """Whether the answer begins with this event; if it is an error, there is no answer."""
        if is_error(event):
            self._fail("its first event is an error", event.data)
        else:
            self.good = bool(event.data) and event.name != "ping"
        return self.good

    def _fail(self, why: str, body: bytes = b"") -> None:
        self.response.content = body
        self.failure = failover.Failure("event", why, self.response)

    def end(self) -> bytes:
        if not self._open:
            return b""
        out = b""
        if self._decoder.rest():
            out = self._rewrite(self._decoder.feed(b"\n\n"))
        out += self._rewriter.end()
        if not self._complete and self.good:
            out += self._give_up("the provider ended its answer too early")
        self._open = False
        return out

    def broken(self, why: str) -> bytes:
        return b"" if self._complete else self._give_up(why)

    def _give_up(self, why: str) -> bytes:
        if not self._open:
            return b""
        self._open = False
        if not self.good:
            self._fail(why)
            return b""
        return sse.encode("error", errors.body("api_error", f"The answer broke off: {why}"))


def is_error(event: sse.Event) -> bool:
    """Chat Completions has no names for events: there an error is an object that begins so."""
    return event.name == "error" or event.data.startswith(b'{"error"')
