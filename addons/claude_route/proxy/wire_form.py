"""Requests and the heads of answers between mitmproxy's form and that of HTTP/1.1, which our client speaks."""

from __future__ import annotations

import time

from mitmproxy import http

from claude_route.access import fronts
from claude_route.proxy.upstream import http1
from claude_route.wire import http_message


def of_request(request: http.Request) -> tuple[http1.Request, bytes]:
    """Its head, whatever its client speaks, and its body."""
    fields = [
        field for field in request.headers.fields if field[0].lower() != b"proxy-authorization"
    ]
    if request.is_http2 or request.is_http3:
        fields = _downgraded(
            fields, request.authority.encode("idna") or request.host.encode("idna")
        )
    data = request.data
    return http1.Request(data.method, data.path, fields), request.raw_content or b""


def _downgraded(fields: list[tuple[bytes, bytes]], authority: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields of an HTTP/2 request, which may have cookies in several (RFC 9113, 8.2.3)."""
    cookies = [value for name, value in fields if name == b"cookie"]
    if len(cookies) > 1:
        first = next(place for place, (name, _) in enumerate(fields) if name == b"cookie")
        fields[first] = b"cookie", b"; ".join(cookies)
        fields = [
            field for place, field in enumerate(fields) if place <= first or field[0] != b"cookie"
        ]
    if not any(name.lower() == b"host" for name, _ in fields):
        fields.insert(0, (b"Host", authority))
    return fields


_RESPONSE = http.Response.make()


def response(head: http1.Response) -> http.Response:
    """Without what is for one connection only."""
    return http_message.like(
        _RESPONSE,
        http_version=head.version,
        status_code=head.status,
        reason=head.reason,
        headers=http.Headers(fronts.end_to_end(head.fields)),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )
