"""Keeps credentials out of flows by replacing each with a placeholder.

The real values are kept outside the flow, and restored only in the copy of the request that is
written to the wire.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from mitmproxy import http

from claude_route.routing import pool_tokens
from claude_route.wire import http_message

SECRET_NAME = re.compile(rb"auth|cookie|key|password|secret|token", re.IGNORECASE)
NO_SECRET_NAME = re.compile(rb"sec-|x-claude-token-mode$", re.IGNORECASE)
"""Not secret: a WebSocket's key, for example."""

REMEMBERED = 64
"""Bytes of a name that is looked up again."""

type Secrets = Mapping[bytes, bytes]
"""Placeholder -> the real header value."""


def hide(
    headers: http.Headers, whose: str = "client", *, is_new: bool = False
) -> dict[bytes, bytes]:
    """Replace credentials with placeholders, and return their real values. `is_new`: the headers come
    from the client and can't contain placeholders of ours, so values that look like one are replaced
    too."""
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
    """Restore the real values. A header whose placeholder has no known value (in a copy, or in a
    saved flow) is removed."""
    fields = []
    for name, value in headers.fields:
        if is_secret(name) and is_placeholder(value):
            if value not in secrets:
                continue
            value = secrets[value]
        fields.append((name, value))
    headers.fields = tuple(fields)


def hide_cookies(headers: http.Headers) -> dict[bytes, bytes]:
    """Replace the cookies that a response sets with placeholders, and return their real values."""
    secrets: dict[bytes, bytes] = {}
    if any(_sets_cookie(name) for name, _ in headers.fields):
        headers.fields = tuple(
            (name, _placeholder(value, "server", secrets) if _sets_cookie(name) else value)
            for name, value in headers.fields
        )
    return secrets


def with_cookies(response: http.Response, secrets: Secrets) -> http.Response:
    """A copy of the response with the real cookies, for the client."""
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


def is_secret(name: bytes) -> bool:
    """Whether a header of this name may contain a credential. In doubt, True."""
    # Clients choose names, of any length, and as many as they like.
    return (_is_secret if len(name) <= REMEMBERED else _is_secret.__wrapped__)(name)


@functools.lru_cache(1024)
def _is_secret(name: bytes) -> bool:
    return bool(SECRET_NAME.search(name)) and not NO_SECRET_NAME.match(name)


def is_placeholder(value: bytes) -> bool:
    return value.endswith(b"}}") and b"{{" in value


def placeholder(scheme: str, words: str) -> bytes:
    """`Bearer {{pool #2 …wxyz}}`, or without `Bearer` if the scheme is empty."""
    return f"{scheme} {{{{{words}}}}}".strip().encode()


def _placeholder(value: bytes, whose: str, secrets: dict[bytes, bytes]) -> bytes:
    scheme, _, secret = value.decode("utf-8", "replace").rpartition(" ")
    if scheme.lower() not in ("bearer", "basic"):
        scheme, secret = "", value.decode("utf-8", "replace")
    words = f"{whose} {pool_tokens.ending(secret) or '…'}" if scheme.lower() != "basic" else whose
    shown = placeholder(scheme, words)
    if secrets.get(shown, value) != value:
        shown = placeholder(scheme, f"{words} #{len(secrets) + 1}")
    secrets[shown] = value
    return shown
