from __future__ import annotations

import pytest
from mitmproxy import http

from claude_route.access import redaction

KEYS, BROUGHT = ["our-key-0123", "short"], ["client-key-4567"]


@pytest.fixture
def secrets() -> redaction.Redaction:
    return redaction.Redaction(KEYS, BROUGHT)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (b"no our-key-0123, client-key-4567", b"no [redacted], [redacted]"),
        (b"our-key-0123our-key-0123", b"[redacted][redacted]"),
        (b"a short word", b"a short word"),
        (b"", b""),
    ],
)
def test_text(secrets: redaction.Redaction, text: bytes, redacted: bytes) -> None:
    assert secrets.text(text) == redacted


def test_an_error(secrets: redaction.Redaction) -> None:
    response = http.Response.make(401, b"wrong: our-key-0123", {"x-a": "our-key-0123"})
    response.reason = "No our-key-0123"
    secrets.error(response)
    assert response.content == b"wrong: [redacted]"
    assert response.headers["content-length"] == str(len(b"wrong: [redacted]"))
    assert response.headers["x-a"] == "[redacted]"
    assert response.reason == "No [redacted]"


def test_response_headers_may_repeat_the_clients_credential(secrets: redaction.Redaction) -> None:
    response = http.Response.make(200, b"our-key-0123", {"set-cookie": "client-key-4567"})
    secrets.headers(response)
    assert response.headers["set-cookie"] == "client-key-4567"
    assert response.content == b"our-key-0123"
