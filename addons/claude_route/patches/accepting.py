"""Lets somebody else decide whether a client's connection is served.

Replaces: `ProxyConnectionHandler.handle_client`; in asyncio, how many connections are accepted in one turn
of the event loop.
Why: mitmproxy serves every connection, until no more files can be opened; then it accepts none, and asks
again and again. The hook `client_connected` comes too late to answer, and tells neither of connections
that end before it nor of how many there are. asyncio accepts a hundred connections in one turn, and mitmproxy
makes a handler for each, which takes half a millisecond.
Remove when: mitmproxy has a limit for connections, and a hook that can refuse one with an answer.
Upstream: none that we know of.
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import selector_events
from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any

from mitmproxy import connection
from mitmproxy.proxy import mode_servers
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers

type Serve = Callable[[], Awaitable[None]]
"""Serves a connection until it is closed."""
type Accept = Callable[
    [connection.Client, asyncio.StreamReader, asyncio.StreamWriter, Serve], Awaitable[None]
]


IN_ONE_TURN = 8
"""Connections that are accepted in one turn of the event loop, on each listener."""


def part(handler: server.ConnectionHandler) -> None:
    """Take apart what a connection that is over consists of, where it refers to itself. Else only a garbage
    collection would free it, and one for thousands of them holds up all others."""
    handler.timeout_watchdog.callback = nothing
    whole = handler.layer.context.layers
    # A hook of a request may still go on, and the layer with it.
    if not any(isinstance(layer, layers.HttpLayer) for layer in whole):
        whole.clear()


async def nothing() -> None:
    pass


def install(accept: Accept) -> Callable[[], None]:
    """For every TCP connection from now on; the callable undoes it."""
    # Not `ServerInstance.handle_stream`: listeners that are open already have it.
    handler: Any = mode_servers.ProxyConnectionHandler
    stock = handler.handle_client

    @functools.wraps(stock)
    async def handle_client(self: mode_servers.ProxyConnectionHandler) -> None:
        io = self.transports[self.client]
        serve = functools.partial(stock, self)
        try:
            if isinstance(io.reader, asyncio.StreamReader) and isinstance(
                io.writer, asyncio.StreamWriter
            ):
                await accept(self.client, io.reader, io.writer, serve)
            else:
                await serve()
        finally:
            part(self)

    undo = accept_few()

    def uninstall() -> None:
        handler.handle_client = stock
        undo()

    handler.handle_client = handle_client
    return uninstall


def accept_few() -> Callable[[], None]:
    """Leave the other connections in the system's queue until the next turn of the event loop."""
    # Only loops that have `select` accept several at once.
    loop: Any = selector_events.BaseSelectorEventLoop
    stock = loop._start_serving

    @functools.wraps(stock)
    def start(self: Any, make: Any, sock: Any, tls: Any, server: Any, _: int, *more: Any) -> None:
        # The system's queue has its length already.
        stock(self, make, sock, tls, server, IN_ONE_TURN, *more)

    def undo() -> None:
        loop._start_serving = stock

    loop._start_serving = start
    return undo
