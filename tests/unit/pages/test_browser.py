from __future__ import annotations

from mitmproxy import http

from claude_route.pages import browser

KEY = "static-key-0123456789"


def get(**headers: str) -> http.Request:
    request = http.Request.make("GET", "http://127.0.0.1/status")
    request.headers.update(headers)
    return request


def test_only_a_browser_is_challenged() -> None:
    def challenged(is_file: bool = False, **headers: str) -> bool:
        refusal = browser.challenge(get(**headers), http.Response.make(401), is_file)
        return "www-authenticate" in refusal.headers

    assert challenged(accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert not challenged(accept="application/json")
    assert not challenged()
    assert challenged(is_file=True), "for the key in a URL"
