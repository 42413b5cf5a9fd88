from __future__ import annotations

import re

import pytest
from mitmproxy import exceptions
from mitmproxy import http
from mitmproxy.proxy import mode_specs
from mitmproxy.test import tflow
from mitmproxy.tools.web import app

from claude_route.pages import content
from claude_route.pages import mitmweb
from claude_route.pages import table
from claude_route.watch import readonly
from tests.unit import states


def test_handlers_follow_the_table() -> None:
    handlers = list(mitmweb.handlers(lambda: None, states.sources()))
    shown = [
        path
        for page in table.PAGES
        if page.in_mitmweb
        for path in (page.path, *([f"{page.path}/x"] if page.has else []), *page.files)
    ]
    shown.append("/list.css")
    for (pattern, _, _), path in zip(handlers, shown, strict=True):
        assert re.fullmatch(pattern, path)
    assert {handler for _, handler, _ in handlers} <= readonly.SHOWING


def test_mitmwebs_own_page_has_our_style_and_links() -> None:
    render_string = app.IndexHandler.render_string
    undo = mitmweb.add_to_page()
    try:
        assert app.IndexHandler.render_string is not render_string
    finally:
        undo()
    assert app.IndexHandler.render_string is render_string
    assert content.static(mitmweb.STYLE).media_type.startswith("text/css")


def test_the_path_of_a_session() -> None:
    assert mitmweb.session_path("0f8d-1") == "/sessions/0f8d-1"
    assert mitmweb.session_path("../?a") == "/sessions/..%2F%3Fa"


def flow(method: str, path: str, mode: str, response: int | None) -> http.HTTPFlow:
    made = tflow.tflow(req=http.Request.make(method, f"http://127.0.0.1{path}"))
    made.client_conn.proxy_mode = mode_specs.ProxyMode.parse(mode)
    made.response = http.Response.make(response) if response else None
    return made


REVERSE = "reverse:http://x"


@pytest.mark.parametrize(
    ("method", "path", "mode", "status", "is_listed"),
    [
        ("GET", "/status", REVERSE, 200, False),
        ("GET", "/status.css", REVERSE, 200, False),
        ("HEAD", "/health", REVERSE, 200, False),
        ("GET", "/v1/models", REVERSE, 200, True),
        ("GET", "/status", REVERSE, 401, True),
        ("POST", "/status", REVERSE, 200, True),
        ("GET", "/status", "regular", 200, True),
        ("GET", "/other", REVERSE, 200, True),
    ],
)
def test_what_is_listed(method: str, path: str, mode: str, status: int, is_listed: bool) -> None:
    def goes_on(hook: str, response: int | None) -> bool:
        addon = mitmweb.Pages(lambda: None, states.sources())
        try:
            getattr(addon, hook)(flow(method, path, mode, response))
        except exceptions.AddonHalt:
            return False
        return True

    # Refusals are made before the headers' hook comes here, pages after it.
    assert goes_on("requestheaders", None if status == 200 else status) is is_listed
    assert goes_on("response", status) is is_listed
