from __future__ import annotations

import base64

import pytest
from mitmproxy import http

from claude_route.access import credentials
from claude_route.pages import browser

KEY = "static-key-0123456789"


def get(**headers: str) -> http.Request:
    request = http.Request.make("GET", "http://127.0.0.1/status")
    request.headers.update(headers)
    return request


@pytest.mark.parametrize(
    "authorization,key",
    [
        (f"Basic {base64.b64encode(b'me:' + KEY.encode()).decode()}", KEY),
        (f"basic {base64.b64encode(b':' + KEY.encode()).decode()}", KEY),
        (f"Basic {base64.b64encode(KEY.encode()).decode()}", None),
        (f"Bearer {KEY}", None),
        ("Basic %%%", None),
        ("", None),
        ("\udcff", None),
    ],
)
def test_presented_key(authorization: str, key: str | None) -> None:
    request = get(authorization=authorization)
    secrets = credentials.hide(request.headers)
    assert KEY not in str(request.headers)
    assert browser.presented_key(request, secrets) == key


def test_only_a_browser_is_challenged() -> None:
    def challenged(**headers: str) -> bool:
        refusal = browser.challenge(get(**headers), http.Response.make(401))
        return "www-authenticate" in refusal.headers

    assert challenged(accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert not challenged(accept="application/json")
    assert not challenged()
