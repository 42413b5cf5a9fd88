"""Adds to mitmweb's page, and has a browser opened elsewhere.

Replaces: `IndexHandler.render_string`, `webaddons.open_browser`.
Why: the page has no place for a style or a link of an addon's, and mitmweb opens a browser there and
nowhere else.
Remove when: addons can add to the page, and choose where mitmweb opens.
Upstream: none that we know of.
"""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import Callable
from typing import Any

from mitmproxy.tools.web import app
from mitmproxy.tools.web import webaddons


def add_to_page(head: bytes, body: bytes) -> Callable[[], None]:
    """Make mitmweb's page end its `head` and its `body` with this HTML. Returns a callable that undoes it.

    The login form in its place stays as it is.
    """

    def render_string(self: app.IndexHandler, template_name: str, **given: Any) -> bytes:
        page: bytes = super(app.IndexHandler, self).render_string(template_name, **given)
        if template_name != "login.html":
            page = page.replace(b"</head>", head + b"</head>", 1)
            page = page.replace(b"</body>", body + b"</body>", 1)
        return page

    def undo() -> None:
        del app.IndexHandler.render_string

    app.IndexHandler.render_string = render_string  # type: ignore[assignment,method-assign]
    return undo


def open_at(path: str) -> Callable[[], None]:
    """Make mitmweb open a browser at this path, instead of its own page. Returns a callable that undoes
    it."""
    stock = webaddons.open_browser

    @functools.wraps(stock)
    def open_browser(url: str) -> bool:
        parts = urllib.parse.urlsplit(url)
        return stock(parts._replace(path=path).geturl() if parts.path == "/" else url)

    def undo() -> None:
        webaddons.open_browser = stock

    webaddons.open_browser = open_browser
    return undo
