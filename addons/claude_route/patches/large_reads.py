"""Passes what a client has sent to the layers in larger pieces.

Replaces: `ConnectionHandler.handle_connection`.
Why: it reads at most 64 KiB at once, and passes each piece through some ten layers: 19 pieces for a
request of 1 MB, which is a sixth of what the request costs. The event loop has read up to 256 KiB by
then.
Remove when: mitmproxy reads more at once.
Upstream: none that we know of.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from collections.abc import Coroutine

from mitmproxy import connection
from mitmproxy.proxy import server

SIZE = 512 * 1024
"""Bytes. asyncio stops reading when more than 128 KiB wait here, after at most 256 KiB more."""


def install() -> Callable[[], None]:
    """For every client that connects from now on; the callable undoes it."""
    stock = server.ConnectionHandler.handle_connection

    @functools.wraps(stock)
    async def handle_connection(
        self: server.ConnectionHandler, connection: connection.Connection
    ) -> None:
        reader = self.transports[connection].reader
        if connection is self.client and isinstance(reader, asyncio.StreamReader):
            vars(reader)["read"] = _reading(reader.read)
        await stock(self, connection)

    def uninstall() -> None:
        server.ConnectionHandler.handle_connection = stock  # type: ignore[method-assign]

    server.ConnectionHandler.handle_connection = handle_connection  # type: ignore[method-assign]
    return uninstall


def _reading(
    stock: Callable[[int], Coroutine[None, None, bytes]],
) -> Callable[[int], Coroutine[None, None, bytes]]:
    def read(n: int) -> Coroutine[None, None, bytes]:
        return stock(SIZE if n > 0 else n)

    return read
