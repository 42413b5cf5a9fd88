"""Lets mitmproxy find a connection again that a hook has had made to another address.

Replaces: `ConnectionHandler.open_connection`.
Why: a `server_connect` hook redirects a connection by changing its `address`, as ours does to the
address that it has checked. mitmproxy looks for a connection to reuse by the address that was asked
for, finds none, and opens one for each request. Those count towards the five that it allows to one
address for a client, so the sixth request waits for ever.
Upstream: none that we know of.
Remove when: mitmproxy compares the address that was asked for.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable

from mitmproxy import connection
from mitmproxy.proxy import commands
from mitmproxy.proxy import server

type Asked = tuple[connection.Server, tuple[str, int] | None]

_asked: contextvars.ContextVar[Asked | None] = contextvars.ContextVar("asked", default=None)
"""The connection that the current task opens, and the address that was asked for."""


def install() -> Callable[[], None]:
    """For every connection from now on; the callable undoes it."""
    stock = server.ConnectionHandler.open_connection

    @functools.wraps(stock)
    async def open_connection(
        self: server.ConnectionHandler, command: commands.OpenConnection
    ) -> None:
        _asked.set((command.connection, command.connection.address))
        await stock(self, command)

    def uninstall() -> None:
        server.ConnectionHandler.open_connection = stock  # type: ignore[method-assign]

    server.ConnectionHandler.open_connection = open_connection  # type: ignore[method-assign]
    return uninstall


def restore(opened: connection.Server) -> None:
    """To be called by the hook `server_connected`: the connection has the address again that was asked
    for. Where it really leads is its `peername`."""
    asked = _asked.get()
    if asked and asked[0] is opened:
        # Its own __setattr__ refuses a new address for an open connection.
        object.__setattr__(opened, "address", asked[1])
