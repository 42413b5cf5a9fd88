"""Closes the connections that mitmproxy forgets.

Replaces: `ConnectionHandler.handle_connection` and `.open_connection`.
Why: the task that owns a connection closes it when it ends. If the task is cancelled while it waits
for a hook, or for the lock before it passes an event to the layers, it ends without closing, and the
connection stays open until Python collects it: the upstream keeps sending an answer that nobody
reads, or the client waits.
Remove when: mitmproxy closes its writers in a `finally`.
Upstream: none that we know of.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from mitmproxy import connection
from mitmproxy.proxy import commands
from mitmproxy.proxy import server


def install() -> Callable[[], None]:
    """Close every connection from now on when its task ends. Returns a callable that undoes it."""
    handle, dial = (
        server.ConnectionHandler.handle_connection,
        server.ConnectionHandler.open_connection,
    )

    @functools.wraps(handle)
    async def handle_connection(
        self: server.ConnectionHandler, connection: connection.Connection
    ) -> None:
        try:
            await handle(self, connection)
        finally:
            close(self, connection)

    @functools.wraps(dial)
    async def open_connection(
        self: server.ConnectionHandler, command: commands.OpenConnection
    ) -> None:
        try:
            await dial(self, command)
        finally:
            close(self, command.connection)

    def uninstall() -> None:
        server.ConnectionHandler.handle_connection = handle  # type: ignore[method-assign]
        server.ConnectionHandler.open_connection = dial  # type: ignore[method-assign]

    server.ConnectionHandler.handle_connection = handle_connection  # type: ignore[method-assign]
    server.ConnectionHandler.open_connection = open_connection  # type: ignore[method-assign]
    return uninstall


def close(handler: server.ConnectionHandler, connection: connection.Connection) -> None:
    """Close the connection if the handler still has it, which means that it wasn't closed."""
    transport = handler.transports.get(connection)
    if transport and transport.writer:
        del handler.transports[connection]
        transport.writer.close()
