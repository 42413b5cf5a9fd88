from __future__ import annotations

import pytest
from mitmproxy import http

from claude_route.access import clients
from claude_route.access import refusals
from tests.unit import sources
from tests.unit.sources import INSIDE
from tests.unit.sources import OUTSIDE


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "this request presents none"),
        (clients.Key("wrong", "header"), "the one in x-litellm-api-key is a different one"),
        (clients.Key("wrong", "proxy password"), "the proxy password is a different one"),
        (clients.Key("wrong", "basic"), "the password is a different one"),
    ],
)
def test_what_a_client_without_the_key_is_advised(key: clients.Key | None, words: str) -> None:
    response = refusals.wrong_key(key)
    assert response.status_code == 401
    assert response.headers["x-should-retry"] == "false"
    message = str(response.text)
    assert words in message
    assert "wrong" not in message
    assert "ANTHROPIC_CUSTOM_HEADERS" in message


@pytest.mark.parametrize(
    ("came_in_on", "mode", "host", "port", "is_misdirected"),
    [
        (INSIDE, "regular", "127.0.0.1", 8080, True),
        (INSIDE, "regular", "localhost", 8080, True),
        ("::1", "regular", "::1", 8080, True),
        (OUTSIDE, "regular", OUTSIDE, 8080, True),
        (INSIDE, "regular", "127.0.0.1", 4000, False),
        (INSIDE, "regular", "api.anthropic.com", 8080, False),
        (OUTSIDE, "regular", "127.0.0.1", 8080, False),
        (INSIDE, "reverse:http://x", "127.0.0.1", 8080, False),
    ],
)
def test_a_base_url_at_the_forward_listener(
    came_in_on: str, mode: str, host: str, port: int, is_misdirected: bool
) -> None:
    request = http.Request.make("POST", "http://example.com/v1/messages")
    request.host, request.port = host, port
    response = refusals.misdirected(request, sources.client(came_in_on, mode))
    assert bool(response) is is_misdirected
    if response:
        assert response.headers["x-should-retry"] == "false"
        assert "HTTPS_PROXY" in str(response.text)


def test_a_tunnel_through_the_reverse_listener(caplog: pytest.LogCaptureFixture) -> None:
    assert refusals.no_tunnel(sources.client()).status_code == 407
    assert "port 8080 is for ANTHROPIC_BASE_URL" in caplog.text
