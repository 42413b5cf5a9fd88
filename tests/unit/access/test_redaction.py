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


@pytest.mark.parametrize("name", ["x-our-key-0123", "Our-Key-0123", "OUR-KEY-0123"])
def test_the_name_of_a_header(secrets: redaction.Redaction, name: str) -> None:
    response = http.Response.make(200, b"", {name: "1", "x-b": "2"})
    secrets.headers(response)
    assert "our-key-0123" not in str(response.headers).lower()
    assert response.headers["redacted"] == "1" and response.headers["x-b"] == "2"


@pytest.mark.parametrize(
    "form", ["our-key-01\\u0032\\u0033", "our%2Dkey%2D0123", "b3VyLWtleS0wMTIz"]
)
def test_odd_forms(secrets: redaction.Redaction, form: str) -> None:
    assert secrets.text(f"wrong key: {form}".encode()) == b"wrong key: [redacted]"
    response = http.Response.make(200, b"", {"x-a": form})
    secrets.headers(response)
    assert response.headers["x-a"] == "[redacted]"


DELTA = b'event: content_block_delta\ndata: {"delta":{"text":"%b"}}\n\n'


@pytest.mark.parametrize(
    ("event", "out"),
    [
        (DELTA % b"a caf\\u00e9", DELTA % b"a caf\\u00e9"),
        (DELTA % b"zai-key-0123456789", DELTA % b"[redacted]"),
        (DELTA % b"\\u007aai-key-0123456789", DELTA % b"[redacted]"),
        (b'data: {"key":"zai-key-0123456789"}\n\n', b'data: {"key":"[redacted]"}\n\n'),
        (b'data: {"key":"emFpLWtleS0wMTIzNDU2Nzg5"}\n\n', b'data: {"key":"[redacted]"}\n\n'),
        (b"event: ping\n\n", b"event: ping\n\n"),
        (b"", b""),
    ],
)
def test_an_echo_of_the_credential(event: bytes, out: bytes) -> None:
    assert redaction.echo("zai-key-0123456789")(event) == out


@pytest.mark.parametrize("key", ["lm-studio", "ollama", ""])
def test_a_word_is_no_credential(key: str) -> None:
    text = b"lm-studio and ollama"
    assert redaction.echo(key)(text) is text


def test_response_headers_may_repeat_the_clients_credential(secrets: redaction.Redaction) -> None:
    response = http.Response.make(200, b"our-key-0123", {"set-cookie": "client-key-4567"})
    secrets.headers(response)
    assert response.headers["set-cookie"] == "client-key-4567"
    assert response.content == b"our-key-0123"
