from __future__ import annotations

from pathlib import Path
from typing import Any
from typing import cast

import pytest
from mitmproxy.tools.web import app
from mitmproxy.tools.web import webaddons
from tornado import httputil
from tornado import web

from claude_route.patches import mitmweb_page


class Connection:
    """Of a request to no server."""

    def set_close_callback(self, callback: object) -> None: ...


def rendered(template: str, **given: object) -> str:
    request = httputil.HTTPServerRequest("GET", "/", connection=cast(Any, Connection()))
    application = web.Application(
        template_path=str(Path(app.__file__).with_name("templates")),
        static_path=str(Path(app.__file__).with_name("static")),
        cookie_secret="x",
        auth_cookie_name=lambda: "login",
    )
    handler = app.IndexHandler(application, request)
    return handler.render_string(template, **given).decode()


def test_the_page_gets_a_style_and_links() -> None:
    before = rendered("../index.html")
    undo = mitmweb_page.add_to_page(b"<link>", b"<nav></nav>")
    try:
        page = rendered("../index.html")
        login = rendered("login.html", invalid_password=False)
    finally:
        undo()
    assert "<link></head>" in page
    assert "<nav></nav></body>" in page
    assert (
        page.replace("<link></head>", "</head>").replace("<nav></nav></body>", "</body>") == before
    )
    assert "<nav>" not in login
    assert rendered("../index.html") == before


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("http://127.0.0.1:8081/?token=a", "http://127.0.0.1:8081/sessions?token=a"),
        ("http://[::1]:8081/", "http://[::1]:8081/sessions"),
        ("http://127.0.0.1:8081/other?token=a", "http://127.0.0.1:8081/other?token=a"),
    ],
)
def test_where_a_browser_opens(url: str, opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []

    def stock(url: str) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr(webaddons, "open_browser", stock)
    undo = mitmweb_page.open_at("/sessions")
    assert webaddons.open_browser(url)
    undo()
    assert urls == [opened]
    assert webaddons.open_browser is stock
