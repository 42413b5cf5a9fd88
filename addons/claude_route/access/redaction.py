"""Removes credentials that an upstream echoes in its response."""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy import http

from claude_route.dialects import error_body

REDACTED = error_body.REDACTED.encode()

SHORTEST = 8
"""Shorter keys would match ordinary text, and aren't worth hiding."""


class Redaction:
    """`keys` are ours; `brought` are the client's own."""

    def __init__(self, keys: Iterable[str], brought: Iterable[str]) -> None:
        self._keys = _worth_hiding(keys)
        self.secrets = [*self._keys, *_worth_hiding(brought)]

    def text(self, said: bytes) -> bytes:
        return _without(self.secrets, said)

    def error(self, response: http.Response) -> None:
        """`Incorrect API key provided: …`: people see this body in mitmweb, and the client may get
        it."""
        content = response.raw_content or b""
        if (redacted := self.text(content)) != content:
            response.content = redacted
        self.head(response)

    def head(self, response: http.Response) -> None:
        """Redact our own keys in the headers. The client's own credentials stay: the response may
        set the client's cookie again, and where none is required a client may send anything as its
        credential."""
        data, fields = response.data, response.headers.fields
        said = b"".join((data.reason, *(value for _, value in fields)))
        if _without(self._keys, said) != said:
            data.reason = _without(self._keys, data.reason)
            response.headers.fields = tuple(
                (name, _without(self._keys, value)) for name, value in fields
            )


def _worth_hiding(secrets: Iterable[str]) -> list[str]:
    return [secret for secret in secrets if len(secret) >= SHORTEST]


def _without(secrets: Iterable[str], said: bytes) -> bytes:
    for secret in secrets:
        said = said.replace(secret.encode("utf-8", "replace"), REDACTED)
    return said
