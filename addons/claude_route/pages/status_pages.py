"""The status page, at the reverse door and in mitmweb."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import http
from mitmproxy.tools.web import app

from claude_route.access import clients
from claude_route.access import credentials
from claude_route.access import listeners
from claude_route.pages import pages
from claude_route.pages import status
from claude_route.pages import status_html
from claude_route.wire import http_message

ASSETS = {
    name: (kind, (Path(__file__).parent / "static" / name).read_bytes())
    for name, kind in (
        ("status.css", "text/css; charset=utf-8"),
        ("status.js", "text/javascript; charset=utf-8"),
    )
}

PATHS = ("/status", *(f"/{name}" for name in ASSETS))

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""At the reverse door; mitmweb has its own."""


def is_page(request: http.Request) -> bool:
    return request.method in ("GET", "HEAD") and http_message.path(request) in PATHS


def answer(request: http.Request, report: Callable[[], status.Status | None]) -> http.Response:
    """What a request for which `is_page` holds gets at the reverse door."""
    kind, body = ASSETS.get(http_message.path(request).lstrip("/")) or _content(
        request.headers.get("accept", ""), report()
    )
    return http.Response.make(200, body, {"content-type": kind, "vary": "accept", **HEADERS})


def presented_key(request: http.Request, secrets: credentials.Secrets) -> str | None:
    """The key that a browser sends, which has no headers of ours: as the password of HTTP's basic
    authentication, with any user name. `secrets` holds what the request's placeholders stand for.
    """
    value = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
    return clients.proxy_password(secrets.get(value, value).decode("utf-8", "surrogateescape"))


def challenge(request: http.Request, refusal: http.Response) -> http.Response:
    """The refusal, which has a browser that wants the page ask its user for the key."""
    if is_page(request) and _wants_html(request.headers.get("accept", "")):
        refusal.headers["www-authenticate"] = 'Basic realm="claude-route", charset="UTF-8"'
    return refusal


def _wants_html(accept: str) -> bool:
    return "text/html" in accept.lower()


def _content(accept: str, shown: status.Status | None) -> tuple[str, bytes]:
    if shown is None:
        return "text/plain; charset=utf-8", b"No profile is in force.\n"
    if _wants_html(accept):
        return "text/html; charset=utf-8", status_html.page(shown)
    return "application/json", status.to_json(shown)


class StatusPage:
    """Puts the page into mitmweb, at `/status` and behind its login, and keeps it out of the list
    of flows: what asks every two seconds would soon have pushed out all else."""

    def __init__(self, report: Callable[[], status.Status | None]) -> None:
        """`report` returns None where no profile is in force."""
        self.report = report

    def running(self) -> None:
        # Only mitmweb's master has an app.
        if web := getattr(ctx.master, "app", None):
            web.add_handlers(
                r".+",
                [
                    (r"/status", Page, {"report": self.report}),
                    (r"/(status\.(?:css|js))", Asset),
                ],
            )

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None and _is_polled(flow):
            raise exceptions.AddonHalt

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response and flow.response.status_code == 200 and _is_polled(flow):
            raise exceptions.AddonHalt


def _is_polled(flow: http.HTTPFlow) -> bool:
    request = flow.request
    return listeners.is_reverse(flow.client_conn) and (is_page(request) or pages.is_public(request))


class Page(app.RequestHandler):
    def initialize(self, report: Callable[[], status.Status | None]) -> None:
        self.report = report

    def auth_fail(self, invalid_password: bool) -> None:
        self.render("login.html", invalid_password=invalid_password)

    def get(self) -> None:
        kind, body = _content(self.request.headers.get("Accept", ""), self.report())
        self.set_header("Content-Type", kind)
        self.set_header("Cache-Control", "no-store")
        self.write(body)

    def post(self) -> None:
        """The login form."""
        self.redirect("status")


class Asset(app.RequestHandler):
    def get(self, name: str) -> None:
        kind, body = ASSETS[name]
        self.set_header("Content-Type", kind)
        self.set_header("Cache-Control", "no-store")
        self.write(body)
