"""Support for pages that people open in a browser: content negotiation, a login with the key, and
headers that keep other sites out."""

from __future__ import annotations

from mitmproxy import http

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "vary": "accept",
    "x-content-type-options": "nosniff",
}
"""For the reverse listener; mitmweb sets its own."""


def wants_html(accept: str) -> bool:
    """Whether an Accept header is a browser's. Programs get JSON, including those that send `*/*`."""
    return "text/html" in accept.lower()


def challenge(
    request: http.Request, refusal: http.Response, is_file: bool = False
) -> http.Response:
    """The refusal, with a header that makes a browser ask its user for the key. `is_file`: the request is for
    what a page loads. Chromium sends the key of a URL such as `http://me:KEY@host/usage` only where it is asked
    for it, also for these."""
    if is_file or wants_html(request.headers.get("accept", "")):
        refusal.headers["www-authenticate"] = 'Basic realm="claude-route", charset="UTF-8"'
    return refusal
