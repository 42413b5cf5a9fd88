"""Lets several processes listen at one port, among which the system divides the connections.

Replaces: `AsyncioServerInstance.listen`, for TCP.
Why: mitmproxy gives no way to set SO_REUSEPORT. Whoever opens the first listener has to see that no other
program has the port: a process of the same user with the same option would share its connections unnoticed.
For `reverse:https://…` mitmproxy listens on UDP too, for HTTP/3, where it can't share a port: workers don't.
Remove when: mitmproxy has an option for it.
Upstream: none that we know of.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections.abc import Callable
from typing import Any

from mitmproxy.proxy import mode_servers


def install(*, is_first: bool) -> Callable[[], None]:
    """For every listener from now on; the callable undoes it. `is_first`: nobody may have the port yet."""
    instance: Any = mode_servers.AsyncioServerInstance
    stock = instance.listen

    @functools.wraps(stock)
    async def listen(self: Any, host: str, port: int) -> Any:
        if self.mode.transport_protocol == "udp" or not port:
            return await stock(self, host, port)
        if is_first:
            # Without the option, this fails where a program has the port with or without it.
            (await asyncio.start_server(self.handle_stream, host, port)).close()
        return [await asyncio.start_server(self.handle_stream, host, port, reuse_port=True)]

    def uninstall() -> None:
        instance.listen = stock

    instance.listen = listen
    return uninstall


def is_available() -> bool:
    """Whether this system has the option."""
    return os.name == "posix" and hasattr(socket, "SO_REUSEPORT")


def balances() -> bool:
    """Whether the system divides connections evenly: macOS gives them all to the last listener."""
    return os.uname().sysname == "Linux" if os.name == "posix" else False
