"""How the listeners are opened: on loopback from the first moment, and with one line if a port is taken."""

from __future__ import annotations

import asyncio
import difflib
import errno
import functools
import logging
import os
import re
import socket
import sys
from collections.abc import Iterable
from typing import Any
from typing import TextIO

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import optmanager
from mitmproxy.addons import dumper
from mitmproxy.addons import errorcheck
from mitmproxy.addons import intercept
from mitmproxy.addons import keepserving
from mitmproxy.addons import proxyserver
from mitmproxy.addons import view
from mitmproxy.proxy import mode_specs
from mitmproxy.tools.web import static_viewer
from mitmproxy.tools.web import webaddons

from claude_route import installation
from claude_route import options
from claude_route.access import addresses
from claude_route.access import listener_modes

logger = logging.getLogger(__name__)

SERVER_LOGGER = "mitmproxy.addons.proxyserver"

FAILED = re.compile(
    r"\[Errno (?P<errno>\d+)\] .* failed to listen on (?P<host>.*?):(?P<port>\d+) with ", re.DOTALL
)
"""How mitmproxy logs that a listener can't be opened. It may go on with a hint, to use a mode without a
host, which this proxy would refuse."""

REACH = 20
"""How many ports to look through for a free one."""


class Opening:
    """Opens our listeners in place of mitmproxy's default one, once all options are known."""

    def __init__(self) -> None:
        self._is_start = False

    def load(self, loader: addonmanager.Loader) -> None:
        self._is_start = options.is_start()
        # Without this, Python holds the log back in blocks of 8 KB unless it goes to a terminal.
        for stream in (sys.stdout, sys.stderr):
            flush_by_line(stream)
        logging.getLogger(SERVER_LOGGER).addFilter(shorten)
        if self._is_start:
            if problem := installation.confdir_problem(ctx.options.confdir):
                options.end(problem)
            keep_closed()
            for why in failed_before():
                logger.error(why)

    def configure(self, updated: set[str]) -> None:
        # Where mitmweb's own port is taken, it ends with a traceback.
        if self._is_start and "web_port" in updated and "web_port" in ctx.options:
            host, port = ctx.options.web_host, ctx.options.web_port
            if is_taken(host, port):
                options.refuse(taken(host, port, f"--set web_port={free_after(host, port)}"))

    def running(self) -> None:
        if self._is_start:
            if problems := list(unknown_options()):
                options.end("\n".join(problems))
        self._is_start = False
        if ctx.options.mode != options.modes():
            ctx.options.update(mode=options.modes())

    def done(self) -> None:
        logging.getLogger(SERVER_LOGGER).removeFilter(shorten)


def flush_by_line(stream: TextIO) -> None:
    if reconfigure := getattr(stream, "reconfigure", None):
        reconfigure(line_buffering=True)


def keep_closed() -> None:
    """Keep mitmproxy from opening listeners otherwise than `options.modes` has them: its default one, for
    example, on every interface.

    It begins to before it loads the first script, and then waits for the resolver. We cancel the task
    meanwhile; `running` opens them. Listeners at an IP address are open by now, and stay so.
    """
    server: proxyserver.Proxyserver = ctx.master.addons.get("proxyserver")
    specs = [mode_specs.ProxyMode.parse(mode) for mode in ctx.options.mode]
    hosts = [spec.listen_host(ctx.options.listen_host) for spec in specs]
    if ctx.options.mode == options.modes() or any(map(addresses.parse_address, hosts)):
        return
    for task in asyncio.all_tasks():
        if task.get_name() == "setup_servers":
            task.cancel()
            server.servers._instances = {}


def shorten(record: logging.LogRecord) -> bool:
    """mitmproxy's error about a listener becomes one line, which says how to move it."""
    record.msg = advice(str(record.msg)) or record.msg
    return True


def failed_before() -> Iterable[str]:
    """What to do about listeners that mitmproxy could not open before it loaded a script. It has logged
    each already."""
    reporter: errorcheck.ErrorCheck = ctx.master.addons.get("errorcheck")
    return filter(None, [advice(record.getMessage()) for record in reporter.logger.has_errored])


def advice(message: str) -> str:
    """What to write in place of mitmproxy's message; empty unless it is about a listener."""
    match = FAILED.match(message)
    if match is None:
        return ""
    number, host, port = int(match["errno"]), match["host"].replace("*", ""), int(match["port"])
    if number != errno.EADDRINUSE:
        return f"Cannot listen on {address(host, port)}: {os.strerror(number)}"
    return taken(host, port, moved_by(host, port))


def taken(host: str, port: int, moved_by: str) -> str:
    return f"Another program listens on {address(host, port)}. To use another port: {moved_by}"


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"


def moved_by(host: str, port: int) -> str:
    """The option that moves the listener at this address to a free port."""
    free = free_after(host, port)
    forward, reverse = listener_modes.default_modes(
        ctx.options.listen_host, ctx.options.listen_port, ctx.options.reverse_port
    )
    for mode in options.modes():
        spec = mode_specs.ProxyMode.parse(mode)
        if spec.listen_port(ctx.options.listen_port) != port:
            continue
        if mode == forward:
            return f"--listen-port {free}"
        if mode == reverse:
            return f"--set reverse_port={free}"
        return f"--mode {mode.rpartition('@')[0] or mode}@{address(host, free) if host else free}"
    return f"--listen-port {free}"


def is_taken(host: str, port: int) -> bool:
    """Whether a program listens there. False if the address is unusable for another reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":
            # As asyncio and tornado do: it allows a port whose last connections are still closing.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            return e.errno == errno.EADDRINUSE
    return False


def free_after(host: str, port: int) -> int:
    """A free port near this one."""
    candidates = range(port + 1, min(port + REACH, 65536))
    return next((each for each in candidates if not is_taken(host, each)), 0)


def unknown_options() -> Iterable[str]:
    """What is wrong with the options of the command line that nobody has added, now that all scripts are
    loaded.

    Options of mitmproxy's other programs do no harm. A config.yaml may be shared by all of them, so only
    what looks like a typing mistake in it is logged.
    """
    for name, value in ctx.options.deferred.items():
        if name.startswith("console_") or name in options_elsewhere():
            continue
        is_argument = isinstance(value, optmanager._UnconvertedStrings)
        nearest = nearest_option(name, 0.6 if is_argument else 0.85)
        hint = f": did you mean {nearest}?" if nearest else ""
        if is_argument:
            yield f"--set {name}: there is no such option{hint}"
        elif nearest:
            logger.warning(f"config.yaml: there is no option {name}{hint}")


def nearest_option(name: str, likeness: float) -> str:
    """The option that the user may have meant; empty if none is alike."""
    return next(iter(difflib.get_close_matches(name, sorted(ctx.options.keys()), 1, likeness)), "")


class Names:
    """Stands for a Loader, and notes the options that addons add."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add_option(self, name: str, *_: object, **__: object) -> None:
        self.names.add(name)


@functools.cache
def options_elsewhere() -> set[str]:
    """The options that only some of mitmproxy's programs have; the console's begin with `console_`."""
    elsewhere = Names()
    addons: tuple[Any, ...] = (
        dumper.Dumper,
        intercept.Intercept,
        keepserving.KeepServing,
        static_viewer.StaticViewer,
        view.View,
        webaddons.WebAddon,
        webaddons.WebAuth,
    )
    for addon in addons:
        addon().load(elsewhere)
    return elsewhere.names
