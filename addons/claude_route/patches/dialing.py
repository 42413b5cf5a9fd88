"""Lets somebody else make the connections that mitmproxy makes to upstreams.

Replaces: the name `asyncio` in `mitmproxy.proxy.server`, with one more `open_connection`; and
`ConnectionHandler.open_connection`, to know for whom it is called.
Why: a proxy on the way has to be asked for a tunnel. mitmproxy does that only where the listener's mode
is `upstream`, and there for every host.
Upstream: https://github.com/mitmproxy/mitmproxy/issues/2042, about a proxy for some hosts only.
Remove when: mitmproxy has a hook that makes a connection.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import types
from collections.abc import Awaitable
from collections.abc import Callable
from typing import Any

from mitmproxy import connection
from mitmproxy.proxy import commands
from mitmproxy.proxy import server

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
type Dial = Callable[[connection.Client, connection.Server], Awaitable[Streams | None]]
"""Opens a connection for a client, by the address that the hook `server_connect` has left; None for one
that mitmproxy is to open. Raises OSError."""

_opening: contextvars.ContextVar[tuple[connection.Client, connection.Server]] = (
    contextvars.ContextVar("opening")
)
"""What the current task opens, and for whom."""


def client() -> connection.Client | None:
    """The client that the running task opens a connection for, hooks included; None in other tasks."""
    opening = _opening.get(None)
    return opening[0] if opening else None


def install(dial: Dial) -> Callable[[], None]:
    """For every connection from now on; the callable undoes it."""
    stock = server.ConnectionHandler.open_connection
    names: Any = server

    @functools.wraps(stock)
    async def open_connection(
        self: server.ConnectionHandler, command: commands.OpenConnection
    ) -> None:
        _opening.set((self.client, command.connection))
        await stock(self, command)

    async def connect(*address: Any, **how: Any) -> Streams:
        opened = await dial(*_opening.get())
        return opened or await asyncio.open_connection(*address, **how)

    def uninstall() -> None:
        server.ConnectionHandler.open_connection = stock  # type: ignore[method-assign]
        names.asyncio = asyncio

    server.ConnectionHandler.open_connection = open_connection  # type: ignore[method-assign]
    names.asyncio = types.SimpleNamespace(**vars(asyncio) | {"open_connection": connect})
    return uninstall
