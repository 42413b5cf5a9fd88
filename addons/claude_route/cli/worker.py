"""One of the processes of `claude-route up --workers N`: a mitmdump whose listeners the others share.

It says when it is up on a pipe, and ends when the supervisor does, which holds the other end of its standard input.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from mitmproxy import ctx

from claude_route import background
from claude_route import options
from claude_route.patches import reuse_port
from claude_route.store import peers

WORKER = "CLAUDE_ROUTE_WORKER"
"""The environment variable with `supervisor/number/total`."""

FOLDER = "CLAUDE_ROUTE_WORKERS"
"""The one with the folder of the workers' sockets."""

READY = "CLAUDE_ROUTE_READY_FD"
"""The one with the descriptor of the pipe."""

FIRST = "CLAUDE_ROUTE_FIRST"
"""Set for the one worker that has to see that no other program has the port, and says how to connect."""

QUIET = ("claude_route.announcement", "mitmproxy.proxy.mode_servers", "claude_route.ledger.books")
"""Loggers whose lines one worker's log has for all."""


def place(environ: Mapping[str, str]) -> peers.Worker:
    """Which worker this process is."""
    supervisor, number, total = environ[WORKER].split("/")
    return peers.Worker(supervisor, int(number), int(total), environ[FOLDER])


def main(arguments: Sequence[str]) -> None:
    """Run mitmdump with the arguments."""
    is_first = FIRST in os.environ
    if not is_first:
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
    # Before mitmproxy: it opens listeners at an IP address before it loads a script.
    reuse_port.install(is_first=is_first)
    importlib.import_module("mitmproxy.tools.main").mitmdump(list(arguments))


class Worker:
    """The addon."""

    def __init__(self, stop: Callable[[], None]) -> None:
        """`stop` ends this process gracefully."""
        self._stop = stop

    def running(self) -> None:
        loop = asyncio.get_running_loop()
        background.start(self._report(), "the report to the supervisor")
        threading.Thread(target=self._wait_for_end, args=(loop,), daemon=True).start()

    async def _report(self) -> None:
        if await options.closed_listeners():
            return  # `Announcement` logs the reason and ends the start.
        pipe = int(os.environ[READY])
        os.write(pipe, b"up\n")
        os.close(pipe)

    def _wait_for_end(self, loop: asyncio.AbstractEventLoop) -> None:
        # As in `companion`: it ends even if the supervisor was killed.
        while os.read(0, 1):
            pass
        if ctx.master:
            loop.call_soon_threadsafe(self._stop)
