"""mitmweb for looking only: whoever is logged in can change, send and export nothing.

mitmweb has one password and no roles, and whoever may set its options may run code. For a mitmweb
that many look at, `web_readonly` refuses all but what its pages need to show flows.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import optmanager
from mitmproxy.tools.web import app

from claude_route.pages import status_pages

SHOWING: frozenset[type[app.RequestHandler]] = frozenset(
    {
        app.IndexHandler,
        app.FilterHelp,
        app.Commands,
        app.Events,
        app.Flows,
        app.FlowContent,
        app.FlowContentView,
        app.Options,
        app.State,
        status_pages.Page,
        status_pages.Asset,
    }
)
"""What may be read. Not among them: the dump of all flows, which holds up the proxy while it is
made, and the list of this machine's processes, which is nobody's business."""

LOGINS = frozenset({app.IndexHandler, status_pages.Page})
"""What may be posted to: the login form, which is shown in place of these."""

SHOWN_OPTIONS = frozenset(
    {
        "connection_strategy",
        "intercept",
        "mode",
        "view_filter",
        "view_order",
        "web_columns",
    }
)
"""Besides switches and numbers. Others hold passwords (`proxyauth`, `upstream_auth`,
`modify_headers`), or tell about this machine."""

REFUSAL = "This mitmweb is for looking only (web_readonly).\n"


class Readonly:
    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "web_readonly",
            bool,
            False,
            "mitmweb is for looking only: no edits, replays, commands, options or dumps.",
        )
        self.undo = [guard_requests(), guard_options()]

    def done(self) -> None:
        for undo in self.undo:
            undo()
        self.undo = []


def guard_requests() -> Callable[[], None]:
    """Have mitmweb refuse requests that are more than a look; the callable undoes it.

    Its WebSocket has no such handler: all that a browser can say there is what it filters by.
    """
    stock = app.RequestHandler.prepare

    def prepare(self: app.RequestHandler) -> None:
        if ctx.options.web_readonly and not is_look(self):
            self.set_status(403)
            self.finish(REFUSAL)
        else:
            stock(self)  # type: ignore[no-untyped-call]

    def undo() -> None:
        app.RequestHandler.prepare = stock  # type: ignore[method-assign]

    app.RequestHandler.prepare = prepare  # type: ignore[method-assign]
    return undo


def is_look(handler: app.RequestHandler) -> bool:
    if handler.request.method in ("GET", "HEAD"):
        return type(handler) in SHOWING
    return handler.request.method == "POST" and type(handler) in LOGINS


def guard_options() -> Callable[[], None]:
    """Have mitmweb tell the default in place of an option's value; the callable undoes it."""
    stock = optmanager.dump_dicts

    def dump_dicts(
        options: optmanager.OptManager, keys: Iterable[str] | None = None
    ) -> dict[str, Any]:
        dumped: dict[str, Any] = stock(options, keys)
        if ctx.options.web_readonly:
            for name, option in dumped.items():
                if name not in SHOWN_OPTIONS and not isinstance(option["value"], int):
                    option["value"] = option["default"]
        return dumped

    def undo() -> None:
        optmanager.dump_dicts = stock

    optmanager.dump_dicts = dump_dicts  # type: ignore[assignment]
    return undo
