"""Lets a layer run a task that ends with its client's connection.

Replaces: `ConnectionHandler.open_connection`.
Why: a layer can't await anything. All that a connection handler does in a task of its own, which it
cancels when the client has gone, is a connection to an upstream.
Upstream: none that we know of.
Remove when: mitmproxy has a command that runs a coroutine, and sends the layer what comes of it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from collections.abc import Callable

from mitmproxy import connection
from mitmproxy.proxy import commands
from mitmproxy.proxy import server

type Work = Callable[[server.ConnectionHandler], Awaitable[None]]


class RunTask(commands.OpenConnection):
    """Has the connection handler run `work`. To mitmproxy it is one more upstream connection, which
    carries nothing: `CloseConnection` cancels it, and events that name it reach the layer that
    yielded this."""

    blocking = False

    def __init__(self, connection: connection.Server, work: Work) -> None:
        super().__init__(connection)
        self.work = work


def install() -> Callable[[], None]:
    """For every connection handler from now on; the callable undoes it."""
    stock = server.ConnectionHandler.open_connection

    @functools.wraps(stock)
    async def open_connection(
        self: server.ConnectionHandler, command: commands.OpenConnection
    ) -> None:
        if not isinstance(command, RunTask):
            await stock(self, command)
            return
        try:
            await command.work(self)
        finally:
            self.transports.pop(command.connection, None)

    def uninstall() -> None:
        server.ConnectionHandler.open_connection = stock  # type: ignore[method-assign]

    server.ConnectionHandler.open_connection = open_connection  # type: ignore[method-assign]
    return uninstall
