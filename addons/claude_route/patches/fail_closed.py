"""Refuses connections that no hook of ours has accepted.

Replaces: `ProxyConnectionHandler.handle_hook`.
Why: mitmproxy logs an exception in a hook, skips the addons after it in the same script, and goes on as if
nobody had objected. And where a changed script can't be loaded again, nobody is asked at all.
Upstream: docs/upstream/hooks-that-fail.md
Remove when: mitmproxy refuses what a hook has failed to judge, and keeps the old script where the new one
can't be loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from typing import Any
from typing import NamedTuple
from typing import Protocol

from mitmproxy import connection
from mitmproxy.proxy import commands
from mitmproxy.proxy import mode_servers
from mitmproxy.proxy import server
from mitmproxy.proxy import server_hooks

logger = logging.getLogger(__name__)

NOBODY = "no hook of the proxy's has accepted it; see its log"

REFUSED = "refused"
REFUSALS = (NOBODY, REFUSED)

LINGER = 0.5
"""Seconds in which a client that is refused can read that the connection has ended. If it were closed
while the client's first bytes arrive, the client would see a reset, and try again."""

_STOCK = mode_servers.ProxyConnectionHandler.handle_hook


class Entry(Protocol):
    def has_accepted(self, client: connection.Client) -> bool: ...

    def succeeds(self, before: Any) -> None:
        """Called with the entry of the script before, where that is loaded again."""


class Reach(Protocol):
    def has_judged(self, server: connection.Server) -> bool: ...


class Gate(NamedTuple):
    """What hooks have accepted."""

    entry: Entry
    reach: Reach

    def check(self, hook: commands.StartHook) -> None:
        if isinstance(hook, server_hooks.ClientConnectedHook):
            if not self.entry.has_accepted(hook.client):
                hook.client.error = hook.client.error or NOBODY
        elif isinstance(hook, server_hooks.ServerConnectHook):
            upstream = hook.data.server
            if not self.reach.has_judged(upstream):
                upstream.error = upstream.error or NOBODY


_installed: list[Gate] = []
"""The last one."""


def install(gate: Gate) -> None:
    """For every connection from now on, and never undone: a script that can't be loaded again has no
    hooks, and then nothing is accepted."""
    for before in _installed:
        gate.entry.succeeds(before.entry)
    _installed[:] = [gate]

    @functools.wraps(_STOCK)
    async def handle_hook(
        self: mode_servers.ProxyConnectionHandler, hook: commands.StartHook
    ) -> None:
        await _STOCK(self, hook)
        try:
            gate.check(hook)
        except Exception:
            logger.exception("Internal error while looking at what hooks have accepted")
            refuse(hook)
        if isinstance(hook, server_hooks.ClientConnectedHook) and hook.client.error in REFUSALS:
            await part(self.transports[hook.client])

    mode_servers.ProxyConnectionHandler.handle_hook = handle_hook  # type: ignore[method-assign]


def refuse(hook: commands.StartHook) -> None:
    """Without this, whoever waits for the connection would wait for ever."""
    if isinstance(hook, server_hooks.ClientConnectedHook):
        hook.client.error = NOBODY
    elif isinstance(hook, server_hooks.ServerConnectHook):
        hook.data.server.error = NOBODY


async def part(client: server.ConnectionIO) -> None:
    reader, writer = client.reader, client.writer
    assert reader
    assert writer
    with contextlib.suppress(OSError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(LINGER):
            while await reader.read(65536):
                pass
