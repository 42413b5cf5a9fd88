"""Makes mitmweb read-only: users can't change, send or export anything.

mitmweb has one password and no roles, and anyone who may set options may run code. With
`web_readonly` it refuses every request except those that its pages need to show flows.
"""

from __future__ import annotations

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy.tools.web import app

from claude_route.pages import mitmweb

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
        mitmweb.PageHandler,
        mitmweb.FileHandler,
    }
)
"""The handlers that may be read. Left out: the dump of all flows, which blocks the proxy while it
is made, and the list of this machine's processes."""

LOGINS = frozenset({app.IndexHandler, mitmweb.PageHandler})
"""The handlers that may be posted to, because the login form appears in their place."""

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
"""The options shown besides booleans and numbers. Others contain passwords (`proxyauth`,
`upstream_auth`, `modify_headers`) or details of this machine."""

REFUSAL = "This mitmweb is read-only (web_readonly).\n"


class Readonly:
    """Adds the option `web_readonly`. `patches.mitmweb` calls `refusal` and `is_shown` to enforce it."""

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "web_readonly",
            bool,
            False,
            "Make mitmweb read-only: no edits, replays, commands, options or dumps.",
        )


def refusal(handler: app.RequestHandler) -> str | None:
    """Why mitmweb refuses a request; None if it doesn't."""
    return REFUSAL if is_on() and not only_reads(handler) else None


def only_reads(handler: app.RequestHandler) -> bool:
    if handler.request.method in ("GET", "HEAD"):
        return type(handler) in SHOWING
    return handler.request.method == "POST" and type(handler) in LOGINS


def is_shown(name: str, value: object) -> bool:
    return not is_on() or name in SHOWN_OPTIONS or isinstance(value, int)


def is_on() -> bool:
    # mitmweb calls this whenever an addon adds an option. If ours isn't there yet, refuse.
    return "web_readonly" not in ctx.options or bool(ctx.options.web_readonly)
