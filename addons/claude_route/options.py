"""mitmproxy's options, and how a start with a wrong one ends: with one line, and status 1."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Collection
from typing import Any
from typing import NoReturn

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import optmanager
from mitmproxy.addons import errorcheck
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import mode_specs

from claude_route.access import listeners

logger = logging.getLogger(__name__)

DEFAULTS: dict[str, Any] = {
    # An eager connection would go to the client's destination before the request is routed.
    "connection_strategy": "lazy",
    # Make certificates for intercepted hosts without connecting to them.
    "upstream_cert": False,
}
"""Our defaults for options of mitmproxy's own."""


def set_default(name: str, value: Any, *, ours: Collection[Any] = ()) -> None:
    """Set an option, unless this program has none of that name, or the user has set it to something
    that isn't one of `ours`."""
    if name in ctx.options and (not is_set_by_user(name) or getattr(ctx.options, name) in ours):
        ctx.options.update(**{name: value})


def is_set_by_user(name: str) -> bool:
    """Also true if the user set the default value, which `has_changed` can't see."""
    return ctx.options._options[name].value is not optmanager.unset


def check() -> None:
    """Raises:
    ValueError: an option is set with which credentials or requests would go wrong ways.
    """
    if ctx.options.proxy_debug:
        raise ValueError("proxy_debug: not allowed, because it logs credentials")
    if ctx.options.stream_large_bodies:
        raise ValueError(
            "stream_large_bodies: not allowed, because a streamed request can't be routed"
        )


def modes() -> list[str]:
    """The `mode` option: our two listeners, unless the user chose."""
    chosen: list[str] = ctx.options.mode
    if chosen == ["regular"]:
        return listeners.default_modes(ctx.options.listen_host, ctx.options.listen_port)
    return chosen


def opened_modes() -> list[str]:
    """The listeners that mitmproxy opens: none with `--no-server`."""
    return ctx.options.mode if ctx.options.server else []


def is_start() -> bool:
    """Whether mitmproxy is coming up, rather than loading a script, or being told another value,
    while it runs."""
    server = ctx.master.addons.get("proxyserver")
    return isinstance(server, proxyserver.Proxyserver) and not server.is_running


def refuse(why: str) -> NoReturn:
    """Refuse an option's value.

    At start an OptionsError would be logged with a traceback, and mitmproxy would end only after it
    opened all listeners. While it runs, it takes the change back.
    """
    if not is_start():
        raise exceptions.OptionsError(why)
    logger.error(why)
    sys.exit(_exit_status(why))


async def closed_listeners() -> list[str]:
    """Why listeners are not open, once mitmproxy has tried to open them all."""
    servers = ctx.master.addons.get("proxyserver").servers
    # This waits for an update in progress, and changes nothing itself.
    await servers.update([mode_specs.ProxyMode.parse(mode) for mode in opened_modes()])
    return [str(server.last_exception) for server in servers if not server.is_running]


def leave(why: str) -> None:
    """End a start for a reason that has been logged."""
    # If a task raised it, asyncio would log it as the task's failure.
    asyncio.get_running_loop().call_soon(sys.exit, _exit_status(why))


def _exit_status(why: str) -> str | int:
    """What to exit with, having logged why: mitmproxy's console isn't there yet to show the log, or
    is gone by then, so that stderr must repeat it."""
    reporter: errorcheck.ErrorCheck = ctx.master.addons.get("errorcheck")
    return why if reporter.repeat_errors_on_stderr else 1


class Values:
    """The last addon, after all that add options. Applies the user's values for them: mitmproxy
    would do so next, and silently drop the whole script if a value is invalid."""

    def load(self, loader: addonmanager.Loader) -> None:
        try:
            ctx.options.process_deferred()
        except exceptions.OptionsError as e:
            refuse(str(e))
