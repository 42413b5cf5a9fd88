"""Responses of our own."""

from __future__ import annotations

from typing import Any

import msgspec
from mitmproxy import http

from claude_route.dialects import envelope

MAX_BODY = 32 * 1024 * 1024
"""Anthropic's own limit for a request. Larger requests are refused before they fill our memory."""

JSON = {"content-type": "application/json"}


def json(value: Any) -> http.Response:
    return http.Response.make(200, msgspec.json.encode(value), JSON)


FINAL = {"x-should-retry": "false"}
"""Without it, Claude Code repeats some requests for three minutes before it shows the error, among them
those that are answered 401."""


def error(status: int, message: str, *, code: str | None = None) -> http.Response:
    """In Anthropic's form, and final: the same request would get the same answer.

    `code` is for errors that Claude Code recognises by code rather than by message. It answers them
    with another request, so these aren't final.
    """
    details = {"error_code": code} if code else None
    body = envelope.body(envelope.kind(status), message, details=details)
    return http.Response.make(status, body, JSON if code else JSON | FINAL)


def passing(status: int, message: str, *, retry_after: int = 2) -> http.Response:
    """In Anthropic's form, for what another try may not meet. `retry_after` is in seconds."""
    body = envelope.body(envelope.kind(status), message)
    return http.Response.make(status, body, JSON | {"retry-after": str(retry_after)})


def too_large() -> http.Response:
    megabytes = MAX_BODY // 1024 // 1024
    return error(413, f"Request exceeds the maximum size of {megabytes} MB")


def fit(answer: http.Response, request: http.Request) -> None:
    """Remove the body from an answer to HEAD: the client would take it for the next response."""
    if request.method == "HEAD":
        answer.raw_content = b""  # content-length stays what it would be for GET
