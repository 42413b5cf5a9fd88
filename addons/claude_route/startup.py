"""How mitmproxy comes up, and how a start ends that can't go well: with one line, and status 1."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import NoReturn

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy.addons import errorcheck
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import mode_specs

logger = logging.getLogger(__name__)


def is_under_way() -> bool:
    """Rather than a script that mitmproxy loads, or an option that a user sets, while it runs."""
    server = ctx.master.addons.get("proxyserver")
    return isinstance(server, proxyserver.Proxyserver) and not server.is_running


def refuse(why: str) -> NoReturn:
    """Refuse what an option was set to.

    At start an OptionsError would be logged with a traceback, and mitmproxy would end only after it
    opened all doors. While it runs, it takes the change back.
    """
    if not is_under_way():
        raise exceptions.OptionsError(why)
    logger.error(why)
    sys.exit(_status(why))


def modes() -> list[str]:
    """The doors that mitmproxy opens."""
    return ctx.options.mode if ctx.options.server else []


async def closed_doors() -> list[str]:
    """Why doors are not open, once mitmproxy has tried to open them all."""
    servers = ctx.master.addons.get("proxyserver").servers
    # This waits for an update that is under way, and has nothing to do itself.
    await servers.update([mode_specs.ProxyMode.parse(mode) for mode in modes()])
    return [str(server.last_exception) for server in servers if not server.is_running]


def leave(why: str) -> None:
    """End a start for a reason that the log tells already."""
    # Raised in a task, it would be logged as that task's failure.
    asyncio.get_running_loop().call_soon(sys.exit, _status(why))


def _status(why: str) -> str | int:
    """What to exit with, having logged why: mitmproxy's console isn't there yet to show the log, or
    is gone by then, so that it is told on stderr once more."""
    check: errorcheck.ErrorCheck = ctx.master.addons.get("errorcheck")
    return why if check.repeat_errors_on_stderr else 1


class Values:
    """Comes after all addons that have options. Mitmproxy reads what the user set them to next, and
    where a value is wrong, drops the whole script without a word."""

    def load(self, loader: addonmanager.Loader) -> None:
        try:
            ctx.options.process_deferred()
        except exceptions.OptionsError as e:
            refuse(str(e))
