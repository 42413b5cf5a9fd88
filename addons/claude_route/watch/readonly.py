"""mitmweb for looking only: whoever is logged in can change, send and export nothing.

mitmweb has one password and no roles, and whoever may set its options may run code. For a mitmweb
that many look at, `web_readonly` refuses all but what its pages need to show flows.
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
"""What may be read. Not among them: the dump of all flows, which holds up the proxy while it is
made, and the list of this machine's processes, which is nobody's business."""

LOGINS = frozenset({app.IndexHandler, mitmweb.PageHandler})
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
    """The option `web_readonly`. `patches.mitmweb` asks `refusal` and `is_shown` what it means."""

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "web_readonly",
            bool,
            False,
            "mitmweb is for looking only: no edits, replays, commands, options or dumps.",
        )


def refusal(handler: app.RequestHandler) -> str | None:
    """Why mitmweb does not answer a request; None where it does."""
    return REFUSAL if _is_on() and not is_look(handler) else None


def is_look(handler: app.RequestHandler) -> bool:
    if handler.request.method in ("GET", "HEAD"):
        return type(handler) in SHOWING
    return handler.request.method == "POST" and type(handler) in LOGINS


def is_shown(name: str, value: object) -> bool:
    return not _is_on() or name in SHOWN_OPTIONS or isinstance(value, int)


def _is_on() -> bool:
    # mitmweb asks when an addon adds an option, and ours may not be there yet: better closed.
    return "web_readonly" not in ctx.options or bool(ctx.options.web_readonly)
