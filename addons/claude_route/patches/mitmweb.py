"""Guards mitmweb: its server, its handlers, and the option values that it shows.

Replaces: `RequestHandler.prepare`, `optmanager.dump_dicts`, and the name `tornado` in
`mitmproxy.tools.web.master`, with another `HTTPServer`.
Why: mitmweb has one password and no roles; anyone who is logged in may set options, and thereby run code.
Its server takes a body of 4 GB before it asks for the password, and waits an hour for a head.
Remove when: mitmproxy has a read-only mode, and limits for those who aren't logged in.
Upstream: docs/upstream/mitmweb-bodies.md
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from mitmproxy import optmanager
from mitmproxy.tools.web import app
from mitmproxy.tools.web import master
from tornado import httpserver


def guard_requests(refusal: Callable[[app.RequestHandler], str | None]) -> Callable[[], None]:
    """Make mitmweb answer 403 with the text that `refusal` returns for a request, if it returns one.
    Returns a callable that undoes it.

    The WebSocket needs no guard: a browser can send only filters over it.
    """
    stock = app.RequestHandler.prepare

    @functools.wraps(stock)
    def prepare(self: app.RequestHandler) -> None:
        if text := refusal(self):
            self.set_status(403)
            self.finish(text)
        else:
            stock(self)  # type: ignore[no-untyped-call]

    def undo() -> None:
        app.RequestHandler.prepare = stock  # type: ignore[method-assign]

    app.RequestHandler.prepare = prepare  # type: ignore[method-assign]
    return undo


def guard_options(is_shown: Callable[[str, Any], bool]) -> Callable[[], None]:
    """Make mitmweb show an option's default instead of its value, unless `is_shown` holds for the
    option's name and value. Returns a callable that undoes it."""
    stock = optmanager.dump_dicts

    @functools.wraps(stock)
    def dump_dicts(
        options: optmanager.OptManager, keys: Iterable[str] | None = None
    ) -> dict[str, Any]:
        dumped: dict[str, Any] = stock(options, keys)
        for name, option in dumped.items():
            if not is_shown(name, option["value"]):
                option["value"] = option["default"]
        return dumped

    def undo() -> None:
        optmanager.dump_dicts = stock

    optmanager.dump_dicts = dump_dicts  # type: ignore[assignment]
    return undo


def serve_with(server: type[httpserver.HTTPServer]) -> Callable[[], None]:
    """Make mitmweb use this class, if it hasn't started yet. Returns a callable that undoes it."""
    names: Any = master
    stock = names.tornado
    web = types.SimpleNamespace(**vars(stock))
    web.httpserver = types.SimpleNamespace(**vars(httpserver) | {"HTTPServer": server})
    names.tornado = web

    def undo() -> None:
        names.tornado = stock

    return undo
