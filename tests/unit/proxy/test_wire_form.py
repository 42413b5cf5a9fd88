from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.test import tutils

from claude_route.proxy import wire_form
from claude_route.proxy.upstream import http1

FIELDS = ((b"X-Two", b"1"), (b"host", b"x.example"), (b"x-two", b"2 \xe9"))


def request(fields: http1.Fields = FIELDS, version: bytes = b"HTTP/1.1") -> http.Request:
    return tutils.treq(
        method=b"POST",
        path=b"/v1/messages?beta=true",
        authority=b"x.example" if version == b"HTTP/2.0" else b"",
        http_version=version,
        headers=http.Headers(fields),
        content=b"{}",
    )


def test_headers_keep_order_case_and_bytes() -> None:
    head, body = wire_form.of_request(request())
    assert head == http1.Request(b"POST", b"/v1/messages?beta=true", list(FIELDS))
    assert body == b"{}"


def test_what_is_for_a_proxy_goes_to_none() -> None:
    head, _ = wire_form.of_request(request(((b"Proxy-Authorization", b"Basic eDp5"), *FIELDS)))
    assert head.fields == list(FIELDS)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ([], [(b"Host", b"x.example")]),
        ([(b"accept", b"*/*")], [(b"Host", b"x.example"), (b"accept", b"*/*")]),
        ([(b"host", b"y.example")], [(b"host", b"y.example")]),
        (
            [(b"host", b"x"), (b"cookie", b"a=1"), (b"te", b"x"), (b"cookie", b"b=2")],
            [(b"host", b"x"), (b"cookie", b"a=1; b=2"), (b"te", b"x")],
        ),
    ],
)
def test_an_http2_request_over_http1(fields: http1.Fields, sent: http1.Fields) -> None:
    head, _ = wire_form.of_request(request(fields, b"HTTP/2.0"))
    assert head.fields == sent


def test_a_response_keeps_what_came() -> None:
    response = wire_form.response(http1.Response(b"HTTP/1.0", 529, b"Full", FIELDS))
    assert (response.http_version, response.status_code, response.reason) == (
        "HTTP/1.0",
        529,
        "Full",
    )
    assert response.headers.fields == FIELDS
    assert response.raw_content is None
