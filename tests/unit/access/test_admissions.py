from __future__ import annotations

from mitmproxy import http

from claude_route.access import admissions


def test_origin() -> None:
    request = http.Request.make("GET", "https://api.anthropic.com:8443/v1/models?limit=1")
    assert admissions.origin(request) == ("https", "api.anthropic.com", 8443)


def test_credentials_are_not_in_its_repr() -> None:
    admission = admissions.Admission(
        client=None,
        is_routed=True,
        is_reverse=True,
        rotates=True,
        secrets={b"{{client}}": b"the-clients-own"},
        origin=("https", "api.anthropic.com", 443),
    )
    assert "the-clients-own" not in repr(admission)
