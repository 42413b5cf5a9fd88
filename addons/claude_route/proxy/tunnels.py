"""Tunnels: what clients send through us that we don't read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from typing import Any

from mitmproxy import connection
from mitmproxy import http
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import server
from mitmproxy.utils import human

from claude_route.access import places
from claude_route.patches import client_tasks
from claude_route.proxy.upstream import dial

UNSEEN = "The proxy did not admit this tunnel; see its log"

type Commands[T] = Generator[commands.Command, Any, T]


def passes_unread(address: tuple[str, int], opts: options.Options) -> bool:
    """Whether mitmproxy tunnels what is sent to an address, by its options `allow_hosts` and
    `ignore_hosts`."""
    name = f"{address[0]}:{address[1]}"

    def is_among(patterns: list[str]) -> bool:
        return any(re.search(pattern, name, re.IGNORECASE) for pattern in patterns)

    if opts.allow_hosts and not is_among(opts.allow_hosts):
        return True
    return is_among(opts.ignore_hosts)


def connect(whole: context.Context, flow: http.HTTPFlow) -> Commands[None]:
    """Open the connection of a tunnel, so that a client whose server can't be reached hears of it, in
    place of getting a tunnel that ends at once.

    Requests to routed hosts have none of their own: they would connect to where the client meant them
    to go."""
    upstream = whole.server
    if why := (yield commands.OpenConnection(upstream)):
        place = human.format_address(upstream.address)
        flow.response = http.Response.make(502, f"Cannot connect to {place}: {why}")


def keep_open(whole: context.Context) -> Commands[None]:
    """Keep a tunnel open for as long as both of its ends want it, however long neither says
    anything: mitmproxy would end it after `tcp_timeout`."""
    yield client_tasks.RunTask(connection.Server(address=whole.server.address), stay)


async def stay(handler: server.ConnectionHandler) -> None:
    """Keep a client's connection open until the task is cancelled."""
    if place := places.current.get(None):
        place.turn("busy", asyncio.get_running_loop().time())
    # Nobody may say a word for days, but an end that is gone without one has to be noticed.
    for transport in handler.transports.values():
        if isinstance(transport.writer, asyncio.StreamWriter):
            dial.keep_alive(transport.writer.get_extra_info("socket"))
    watchdog = handler.timeout_watchdog
    with watchdog.disarm():
        # It sleeps by now, and when it wakes it looks only at the last activity. If a busy machine
        # wakes it late, that must not be the beginning of the tunnel.
        await asyncio.sleep(watchdog.timeout / 2)
        watchdog.register_activity()
        await asyncio.Event().wait()
