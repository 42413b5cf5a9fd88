"""Removes credentials that an upstream echoes in its response."""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy import http

from claude_route.dialects import error_body

REDACTED = error_body.REDACTED.encode()

SHORTEST = 8
"""Shorter keys would match ordinary text, and aren't worth hiding."""


class Redaction:
    """`keys` are ours; `client_secrets` are those that the client sent."""

    def __init__(self, keys: Iterable[str], client_secrets: Iterable[str]) -> None:
        self._keys = _worth_hiding(keys)
        self.secrets = [*self._keys, *_worth_hiding(client_secrets)]

    def text(self, text: bytes) -> bytes:
        return _without(self.secrets, text)

    def error(self, response: http.Response) -> None:
        """Redact an error such as `Incorrect API key provided: …`, which people see in mitmweb and the
        client may get."""
        content = response.raw_content or b""
        if (redacted := self.text(content)) != content:
            response.content = redacted
        self.headers(response)

    def headers(self, response: http.Response) -> None:
        """Redact our own keys in the headers. The client's own credentials stay: the response may set the
        client's cookie again, and a client that needs no credential may send any text as one."""
        data, fields = response.data, response.headers.fields
        text = b"".join((data.reason, *(value for _, value in fields)))
        if _without(self._keys, text) != text:
            data.reason = _without(self._keys, data.reason)
            response.headers.fields = tuple(
                (name, _without(self._keys, value)) for name, value in fields
            )


def _worth_hiding(secrets: Iterable[str]) -> list[str]:
    return [secret for secret in secrets if len(secret) >= SHORTEST]


def _without(secrets: Iterable[str], text: bytes) -> bytes:
    for secret in secrets:
        text = text.replace(secret.encode("utf-8", "replace"), REDACTED)
    return text
