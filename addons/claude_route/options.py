"""mitmproxy's options, and how an invalid one ends the start: with one line and status 1."""

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

from claude_route.access import listener_modes
from claude_route.access import operator_secrets

logger = logging.getLogger(__name__)

DEFAULTS: dict[str, Any] = {
    # An eager connection would go to the client's destination before the request is routed.
    "connection_strategy": "lazy",
    # Make certificates for intercepted hosts without connecting to them.
    "upstream_cert": False,
    # What mitmproxy can't read as HTTP would be a TCP flow that keeps all of it.
    "rawtcp": False,
}
"""mitmproxy options that we set unless the user did."""


def set_default(name: str, value: Any, *, ours: Collection[Any] = ()) -> None:
    """Set an option, unless this program doesn't have it or the user has set it to a value that isn't
    one of `ours`."""
    if name in ctx.options and (not is_set_by_user(name) or getattr(ctx.options, name) in ours):
        ctx.options.update(**{name: value})


def is_set_by_user(name: str) -> bool:
    """Also true if the user set the default value, which `has_changed` can't see."""
    return ctx.options._options[name].value is not optmanager.unset


def check() -> None:
    """Raises:
    ValueError: an option is set that would log credentials or prevent routing.
    """
    if ctx.options.proxy_debug:
        raise ValueError("proxy_debug: not allowed, because it logs credentials")
    if ctx.options.stream_large_bodies:
        raise ValueError(
            "stream_large_bodies: not allowed, because a streamed request can't be routed"
        )


_PAIRS = {"proxyauth", "upstream_auth"}


def secrets() -> list[str]:
    """The passwords in options that this program has. Not mitmweb's own: whoever sees its options has
    given it."""
    names = _PAIRS & {*ctx.options.keys()}
    return [operator_secrets.of_pair(getattr(ctx.options, name)) for name in names]


def modes() -> list[str]:
    """The user's `mode`, or our two listeners by default; on loopback if no host is given."""
    chosen: list[str] = ctx.options.mode
    host, port = ctx.options.listen_host, ctx.options.listen_port
    if chosen == ["regular"]:
        return listener_modes.default_modes(host, port, ctx.options.reverse_port)
    return [listener_modes.with_host(mode, host, port) for mode in chosen]


def opened_modes() -> list[str]:
    """The modes of the listeners that mitmproxy opens: none with `--no-server`."""
    return ctx.options.mode if ctx.options.server else []


def is_start() -> bool:
    """Whether mitmproxy is starting, as opposed to loading a script or setting an option while it
    runs."""
    server = ctx.master.addons.get("proxyserver")
    return isinstance(server, proxyserver.Proxyserver) and not server.is_running


def refuse(why: str) -> NoReturn:
    """Refuse an option's value.

    At start, mitmproxy would log an OptionsError with a traceback, and exit only after opening all
    listeners. While it runs, it reverts the change.
    """
    if not is_start():
        raise exceptions.OptionsError(why)
    end(why)


def end(why: str) -> NoReturn:
    """End the start with one line and status 1."""
    logger.error(why)
    sys.exit(_exit_status(why))


async def closed_listeners() -> list[str]:
    """The errors of listeners that did not come up, after mitmproxy has tried all of them."""
    servers = ctx.master.addons.get("proxyserver").servers
    # This waits for an update in progress, and changes nothing itself.
    await servers.update([mode_specs.ProxyMode.parse(mode) for mode in opened_modes()])
    return [str(server.last_exception) for server in servers if not server.is_running]


def leave(why: str) -> None:
    """End the start. The reason has already been logged."""
    # If a task raised it, asyncio would log it as the task's failure.
    asyncio.get_running_loop().call_soon(sys.exit, _exit_status(why))


def _exit_status(why: str) -> str | int:
    """The exit status, after the reason was logged. mitmproxy's console can't show the log at this
    point, so for that program the reason goes to stderr as well."""
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
