"""An upstream's answer on its way to the client: decoded, cut into events, judged, rewritten."""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http

from claude_route.dialects import dialect
from claude_route.dialects import usage
from claude_route.proxy import bodies
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.wire import content_encoding
from claude_route.wire import http_message

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


def judge(
    response: http.Response,
    call: dialect.Call,
    redact: Callable[[bytes], bytes] = bodies.unchanged,
    without_echo: Callable[[bytes], bytes] = bodies.unchanged,
    *,
    wants: bodies.Wanted = "stream",
) -> contract.Reply:
    """The reader for a response with these headers. `redact` removes secrets from an error that
    ends a stream, `without_echo` the credential from all else."""
    if not 200 <= response.status_code < 300:
        return Refusal(response)
    try:
        body = Body(response)
    except ValueError as e:
        return Refusal(response, str(e))
    return Answer(body, bodies.Bodies(decoded_headers(response), call, wants, redact, without_echo))


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
        self._decompressor = (
            content_encoding.Decompressor(encoding, bodies.MAX_ANSWER) if encoding else None
        )
        self.is_encoded = True
        """Whether it is, as far as its beginning has shown."""
        self._begun: bytes | None = b""
        """The beginning, as long as it doesn't show that."""

    def feed(self, data: bytes) -> bytes:
        if self._begun is not None:
            data, self._begun = self._begun + data, None
            if data == content_encoding.GZIP[: len(data)] and len(data) < len(
                content_encoding.GZIP
            ):
                self._begun = data
                return b""
            self._open(data)
        if self._decompressor is None:
            return data
        try:
            return self._decompressor.feed(data)
        except OverflowError as e:
            raise ValueError(str(e)) from e

    def _open(self, begun: bytes) -> None:
        """Correct the header, if it is wrong: gateways decode a body and keep the header, or lose the
        header and keep the encoding."""
        if content_encoding.is_text(begun):
            self._decompressor = None
        elif self._decompressor is None and begun.startswith(content_encoding.GZIP):
            self._decompressor = content_encoding.Decompressor("gzip", bodies.MAX_ANSWER)
        self.is_encoded = self._decompressor is not None

    def end(self) -> None:
        if self._decompressor:
            self._decompressor.finish()


class Refusal:
    """An error response. Collects its body, which says why."""

    good = complete = started = False
    usage: usage.Usage | None = None
    output = 0
    error = message_id = ""

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
        if len(self._body) > bodies.MAX_ERROR_BODY:
            self.end()
        return b""

    def end(self) -> bytes:
        response = decoded_headers(self.response)
        response.content = self._readable()[: bodies.MAX_ERROR_BODY]
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
                if len(decoded) > bodies.MAX_ERROR_BODY:
                    break
        except ValueError:
            pass
        return bytes(decoded)

    def broken(self, why: str) -> bytes:
        return b""

    def commit(self) -> None:
        """It is no answer."""


class Answer:
    """A response with a good status. Whether it is an answer, and of which kind, its body shows, whatever
    its headers say."""

    def __init__(self, body: Body, readers: bodies.Bodies) -> None:
        self.response = readers.response
        self._body = body
        self._readers = readers
        self._begun = b""
        """The first bytes, as long as they don't show what the body is."""
        self._reader: bodies.Reader | None = None
        self._failure: contract.Failure | None = None
        """The body can't be decoded."""

    @property
    def good(self) -> bool:
        return self._reader is not None and self._reader.good

    @property
    def complete(self) -> bool:
        return self._reader is not None and self._reader.complete

    @property
    def started(self) -> bool:
        return self._reader is not None and self._reader.started

    @property
    def failure(self) -> contract.Failure | None:
        return self._failure or (self._reader.failure if self._reader else None)

    @property
    def usage(self) -> usage.Usage | None:
        return self._reader.usage if self._reader else None

    @property
    def output(self) -> int:
        return self._reader.output if self._reader else 0

    @property
    def error(self) -> str:
        return self._reader.error if self._reader else ""

    @property
    def message_id(self) -> str:
        return self._reader.message_id if self._reader else ""

    def feed(self, data: bytes) -> bytes:
        if self._failure:
            return b""
        if self._body.is_encoded:
            try:
                data = self._body.feed(data)
            except ValueError as e:
                return self._give_up(str(e))
        return self._reader.feed(data) if self._reader else self._open(data)

    def _open(self, data: bytes) -> bytes:
        self._begun += data
        is_stream = bodies.is_stream(self._begun, self._readers.declared)
        if is_stream is None and len(self._begun) < bodies.MAX_PROLOGUE:
            return b""
        begun, self._begun = self._begun, b""
        reader = self._reader = self._readers.stream() if is_stream else self._readers.whole()
        return reader.feed(begun)

    def end(self) -> bytes:
        if self._reader is None:
            is_stream = self._readers.declared == bodies.SSE and not self._begun
            self._reader = self._readers.stream() if is_stream else self._readers.whole()
            self._reader.feed(self._begun)
        if isinstance(self._reader, bodies.Whole):
            try:
                self._body.end()
            except ValueError as e:
                return self._give_up(str(e))
        return self._reader.end()

    def broken(self, why: str) -> bytes:
        return self._reader.broken(why) if self._reader else self._give_up(why)

    def _give_up(self, why: str) -> bytes:
        if self._reader and self._reader.good:
            return self._reader.broken(why)
        self._failure = contract.Failure(failures.Kind.RESET, why, self.response)
        return b""

    def commit(self) -> None:
        if self._reader:
            self._reader.commit()
