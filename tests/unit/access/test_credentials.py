from __future__ import annotations

import pytest
from mitmproxy import http

from claude_route.access import credentials

SECRET = b"sk-ant-oat01-abcdefghijklmnop"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (b"Authorization", b"Bearer " + SECRET, "Bearer {{client …mnop}}".encode()),
        (b"X-Api-Key", SECRET, "{{client …mnop}}".encode()),
        (b"x-litellm-api-key", b"short", "{{client …}}".encode()),
        (b"proxy-authorization", b"Basic dXNlcjp0b2tlbg==", b"Basic {{client}}"),
        (b"cookie", b"a=b; c=" + SECRET, "{{client …mnop}}".encode()),
        (b"x-api-key", b"\xff" * 20, "{{client …����}}".encode()),
    ],
)
def test_hide_and_reveal(name: bytes, value: bytes, shown: bytes) -> None:
    headers = http.Headers(((b"accept", b"*/*"), (name, value)))
    secrets = credentials.hide(headers)
    assert headers.fields == ((b"accept", b"*/*"), (name, shown))
    credentials.reveal(headers, secrets)
    assert headers.fields == ((b"accept", b"*/*"), (name, value))


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        (b"Authorization", True),
        (b"x-goog-api-key", True),
        (b"api-key", True),
        (b"X-Auth-Token", True),
        (b"cookie", True),
        (b"sec-websocket-key", False),
        (b"x-claude-token-mode", False),
        (b"user-agent", False),
        (b"anthropic-beta", False),
    ],
)
def test_is_secret(name: bytes, secret: bool) -> None:
    assert credentials.is_secret(name) is secret


def test_two_values_that_look_alike_stay_apart() -> None:
    fields = ((b"x-api-key", b"1234567890-wxyz"), (b"cookie", b"0987654321-wxyz"))
    headers = http.Headers(fields)
    secrets = credentials.hide(headers)
    credentials.reveal(headers, secrets)
    assert headers.fields == fields


def test_hiding_twice_keeps_the_first() -> None:
    headers = http.Headers(((b"x-api-key", SECRET),))
    credentials.hide(headers)
    assert credentials.hide(headers) == {}


@pytest.mark.parametrize("value", ["{{client …mnop}}", "Bearer {{pool #1 …wxyz}}", "{{}}"])
def test_what_looks_like_a_placeholder_is_hidden_where_none_can_be(value: str) -> None:
    fields = ((b"x-api-key", SECRET), (b"x-other-key", value.encode()))
    headers = http.Headers(fields)
    secrets = credentials.hide(headers, is_new=True)
    assert len(secrets) == 2
    assert headers["x-other-key"] != value
    credentials.reveal(headers, secrets)
    assert headers.fields == fields


def test_a_placeholder_without_its_secret_is_not_sent() -> None:
    headers = http.Headers(((b"x-api-key", "{{client …mnop}}".encode()), (b"accept", b"*/*")))
    credentials.reveal(headers, {})
    assert headers.fields == ((b"accept", b"*/*"),)


def test_only_credential_headers_are_filled_in() -> None:
    headers = http.Headers(((b"x-note", b"{{pool #1}}"),))
    credentials.reveal(headers, {b"{{pool #1}}": SECRET})
    assert headers.fields == ((b"x-note", b"{{pool #1}}"),)


def test_cookies_that_an_answer_sets() -> None:
    fields = (
        (b"Set-Cookie", b"a=0123456789; HttpOnly"),
        (b"anthropic-ratelimit-tokens-limit", b"1000"),
        (b"set-cookie", b"b=9876543210; HttpOnly"),
        (b"x-note", "{{server …Only}}".encode()),
    )
    answer = http.Response.make(200, b"", http.Headers(fields))
    answer.headers.fields = fields
    secrets = credentials.hide_cookies(answer.headers)
    assert b"0123456789" not in bytes(answer.headers)
    assert answer.headers["anthropic-ratelimit-tokens-limit"] == "1000"
    assert credentials.with_cookies(answer, secrets).headers.fields == fields
    assert b"0123456789" not in bytes(answer.headers)
    assert credentials.with_cookies(answer, {}) is answer


def test_an_answer_without_cookies_stays_as_it_is() -> None:
    headers = http.Headers(((b"x-token", b"a"),))
    assert credentials.hide_cookies(headers) == {}
    assert headers.fields == ((b"x-token", b"a"),)
