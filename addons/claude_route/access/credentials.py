"""Credentials stay out of flows: a placeholder stands where each was.

The real values live beside the flow, and are put back on the copy of the request that is written
to the wire.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from mitmproxy import http

from claude_route.routing import rotation
from claude_route.wire import http_message

SECRET_NAME = re.compile(rb"auth|cookie|key|password|secret|token", re.IGNORECASE)
NO_SECRET_NAME = re.compile(rb"sec-|x-claude-token-mode$", re.IGNORECASE)
"""A WebSocket's key, for one, is no secret."""

type Secrets = Mapping[bytes, bytes]
"""Placeholder -> the header value that it stands for."""


def hide(
    headers: http.Headers, whose: str = "client", *, is_new: bool = False
) -> dict[bytes, bytes]:
    """Put placeholders where credentials are, and return what they stand for. In a head that is new
    there can be none yet: what looks like one is what the client sent."""
    secrets: dict[bytes, bytes] = {}
    fields = []
    for name, value in headers.fields:
        if is_secret(name) and (is_new or not is_placeholder(value)):
            value = _placeholder(value, whose, secrets)
        fields.append((name, value))
    if secrets:
        headers.fields = tuple(fields)
    return secrets


def reveal(headers: http.Headers, secrets: Secrets) -> None:
    """Put the real values back. A placeholder that stands for nothing any more (in a copy, or in a
    saved flow) leaves with its header."""
    fields = []
    for name, value in headers.fields:
        if is_secret(name) and is_placeholder(value):
            if value not in secrets:
                continue
            value = secrets[value]
        fields.append((name, value))
    headers.fields = tuple(fields)


def hide_cookies(headers: http.Headers) -> dict[bytes, bytes]:
    """The same for those that an answer sets."""
    secrets: dict[bytes, bytes] = {}
    if "set-cookie" in headers:
        headers.fields = tuple(
            (name, _placeholder(value, "server", secrets) if _sets_cookie(name) else value)
            for name, value in headers.fields
        )
    return secrets


def with_cookies(response: http.Response, secrets: Secrets) -> http.Response:
    """The answer as the client gets it."""
    if not secrets:
        return response
    fields = response.headers.fields
    return http_message.like(
        response,
        headers=http.Headers(
            (name, secrets.get(value, value) if _sets_cookie(name) else value)
            for name, value in fields
        ),
    )


def _sets_cookie(name: bytes) -> bool:
    return name.lower() == b"set-cookie"


@functools.lru_cache(1024)
def is_secret(name: bytes) -> bool:
    """Whether a header of this name holds a credential: better one too many than one too few."""
    return bool(SECRET_NAME.search(name)) and not NO_SECRET_NAME.match(name)


def is_placeholder(value: bytes) -> bool:
    return value.endswith(b"}}") and b"{{" in value


def placeholder(scheme: str, words: str) -> bytes:
    """`Bearer {{pool #2 …wxyz}}`, and without the scheme where there is none."""
    return f"{scheme} {{{{{words}}}}}".strip().encode()


def _placeholder(value: bytes, whose: str, secrets: dict[bytes, bytes]) -> bytes:
    scheme, _, secret = value.decode("utf-8", "replace").rpartition(" ")
    if scheme.lower() not in ("bearer", "basic"):
        scheme, secret = "", value.decode("utf-8", "replace")
    words = f"{whose} {rotation.ending(secret) or '…'}" if scheme.lower() != "basic" else whose
    shown = placeholder(scheme, words)
    if secrets.get(shown, value) != value:
        shown = placeholder(scheme, f"{words} #{len(secrets) + 1}")
    secrets[shown] = value
    return shown
