"""Removes credentials that an upstream echoes in its response, before the client gets it.

What people see has a filter of its own: see `live_secrets`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Iterable

from mitmproxy import http

from claude_route.access import clients
from claude_route.access import live_secrets
from claude_route.text import disguises

NAME = b"redacted"
"""The name of a header whose own name was a secret."""

_DELTA = b"event: content_block_delta\n"
"""How nearly all events begin: the model's words, which hold a credential only where a conversation
does."""


class Redaction:
    """`keys` are ours; `client_secrets` are those that the client sent."""

    def __init__(self, keys: Iterable[str], client_secrets: Iterable[str]) -> None:
        self._keys = tuple(_worth_hiding(keys))
        self._client_secrets = _worth_hiding(client_secrets)

    @property
    def secrets(self) -> list[str]:
        return [*self._keys, *self._client_secrets]

    def text(self, text: bytes) -> bytes:
        """A text of the upstream's about a failure."""
        without_keys = _finder(self._keys).hide(text)
        return live_secrets.hide(disguises.Finder(self._client_secrets).hide(without_keys))

    def error(self, response: http.Response) -> None:
        """Redact an error such as `Incorrect API key provided: …`, which people see in mitmweb and the
        client may get."""
        content = response.raw_content or b""
        if (redacted := self.text(content)) is not content:
            response.content = redacted
        self.headers(response)

    def headers(self, response: http.Response) -> None:
        """Redact our own keys in the headers. The client's own credentials stay: the response may set the
        client's cookie again, and a client that needs no credential may send any text as one."""
        hide = _finder(self._keys).hide
        data, fields = response.data, response.headers.fields
        # Names are in lower case in HTTP/2, and in title case where some libraries have read them.
        parts = [data.reason, *(part for name, value in fields for part in (name.lower(), value))]
        text = b"\n".join(parts)
        if hide(text) is text:
            return
        data.reason = hide(data.reason)
        response.headers.fields = tuple(
            (name if hide(name.lower()) == name.lower() else NAME, hide(value))
            for name, value in fields
        )


@functools.lru_cache(256)
def echo(secret: str) -> Callable[[bytes], bytes]:
    """What removes the credential that an attempt has sent from a good answer: an event of it, or all of
    it. The answer stays as it is unless the upstream echoes the credential."""
    if not clients.is_login(secret):
        return _unchanged
    hide = disguises.Finder([secret]).hide
    end = secret.encode("utf-8", "replace")[-disguises.SHORTEST :]

    def without(data: bytes) -> bytes:
        if data.startswith(_DELTA) and end not in data and b"\\u00" not in data:
            return data
        return hide(data)

    return without


def _unchanged(data: bytes) -> bytes:
    return data


@functools.lru_cache(8)
def _finder(secrets: tuple[str, ...]) -> disguises.Finder:
    return disguises.Finder(secrets)


def _worth_hiding(secrets: Iterable[str]) -> list[str]:
    return [secret for secret in secrets if len(secret) >= disguises.SHORTEST]
