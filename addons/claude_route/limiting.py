"""Limits for clients: their options, and the connections that are closed for being late."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import tcp
from mitmproxy import tls

from claude_route import background
from claude_route import options
from claude_route.access import entrances
from claude_route.access import files
from claude_route.access import limits
from claude_route.access import places

logger = logging.getLogger(__name__)

OPTIONS = {
    *("max_connections", "max_connections_per_address", "shared_addresses"),
    *("max_head_size", "max_head_fields", "head_timeout", "body_timeout", "min_body_rate"),
    "tcp_timeout",
}
"""What the limits depend on."""

OUT_OF_FILES = "socket.accept() out of system resource"
"""As `asyncio.selector_events` writes it."""

FEW_FILES = 4096
"""A limit of open files under which the log says so."""

FEW_CLIENTS = 200

TICK = 1.0
"""Seconds between two looks for clients that are late."""


class Limiting:
    """Keeps a table's limits as the options have them."""

    def __init__(
        self,
        table: places.Table,
        entry: entrances.Entrance,
        look: Callable[[bool], None] = lambda is_quiet: None,
    ) -> None:
        """`look` is called each second, with whether few clients are connected, and none waits for an answer."""
        self._table = table
        self._look = look
        self._entry = entry
        self._task: asyncio.Task[None] | None = None
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        """Whoever handled exceptions before."""

    def load(self, loader: addonmanager.Loader) -> None:
        # A script that is loaded again, and fails, never runs: its connections are to be refused.
        if options.is_start():
            self._entry.hold()
        loader.add_option(
            "max_connections", int, 2048, "How many connections clients may have; at least 1."
        )
        loader.add_option(
            "max_connections_per_address",
            int,
            1024,
            "How many connections one address beyond this machine may have; 0 for no limit.",
        )
        loader.add_option(
            "shared_addresses",
            Sequence[str],
            [],
            "Addresses or networks of many clients, such as HAProxy's: max_connections_per_address "
            "doesn't hold there.",
        )
        loader.add_option(
            "max_head_size", int, 64, "How many kilobytes a request's line and headers may have."
        )
        loader.add_option("max_head_fields", int, 200, "How many headers a request may have.")
        loader.add_option(
            "head_timeout",
            int,
            30,
            "Seconds for a request's headers, or a TLS handshake, from their first byte.",
        )
        loader.add_option(
            "body_timeout",
            int,
            30,
            "Seconds that a client may keep the proxy waiting for a request's body, in all, beyond "
            "what min_body_rate allows.",
        )
        loader.add_option(
            "min_body_rate", int, 1000, "Bytes a second at which a request's body has to come."
        )
        limit = files.raise_limit()
        self._table.files = files.for_clients(limit)
        if limit < FEW_FILES:
            logger.warning(
                f"This process may open {limit} files (ulimit -n), so that at most some "
                f"{self._table.files} clients can be connected"
            )

    def configure(self, updated: set[str]) -> None:
        if updated & OPTIONS:
            try:
                self._table.limits = in_force()
            except ValueError as e:
                options.refuse(str(e))

    def running(self) -> None:
        # What waits for this goes on after all addons have had their turn: none of them waits for anything.
        self._entry.open()
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._task = background.every(TICK, self._close_late, "the look for late clients")
            self._handler = loop.get_exception_handler()
            loop.set_exception_handler(self._handle)

    def tls_established_client(self, data: tls.TlsData) -> None:
        if place := places.current.get(None):
            if data.conn.alpn == b"h2":
                place.speaks_http2(time.monotonic())
            elif place.phase == "head":
                place.turn("idle", time.monotonic())

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        if place := places.current.get(None):
            place.turn("busy", time.monotonic())

    def done(self) -> None:
        if self._task:
            self._task.cancel()
            self._task.get_loop().set_exception_handler(self._handler)

    def _handle(self, loop: asyncio.AbstractEventLoop, problem: dict[str, Any]) -> None:
        """asyncio has no file for a connection: it tries again after a second, and would log a traceback for
        each that waits."""
        if problem.get("message") == OUT_OF_FILES:
            self._entry.hit(
                "open_files", "There are as many open files as there may be (ulimit -n)"
            )
            self._table.make_room()
        elif self._handler:
            self._handler(loop, problem)
        else:
            loop.default_exception_handler(problem)

    def _close_late(self) -> None:
        close_late(self._table, self._entry.hit, time.monotonic())
        self._look(self._table.count < FEW_CLIENTS and self._table.is_unused)


def close_late(table: places.Table, hit: Callable[[str, str], None], now: float) -> None:
    """Close the connections whose TLS handshake, or head, takes too long."""
    # HTTP/1 answers those that are late itself, unless it doesn't even know yet that they speak it.
    for place in list(table.late(now - TICK)):
        hit(
            "head_time",
            f"Closed a connection of {place.group.name}: no request within head_timeout",
        )
        place.turn("leaving", now)
        place.close()


def in_force() -> limits.Limits:
    """The limits that the options have.

    Raises:
    ValueError: an option has no value that could be.
    """
    for name in OPTIONS - {"shared_addresses", "tcp_timeout"}:
        least = 0 if name == "max_connections_per_address" else 1
        if (value := getattr(ctx.options, name)) < least:
            raise ValueError(f"{name}: expected a number of at least {least}, got {value}")
    patience = ctx.options.tcp_timeout
    return limits.Limits(
        connections=ctx.options.max_connections,
        connections_per_address=ctx.options.max_connections_per_address,
        shared_addresses=tuple(networks(ctx.options.shared_addresses)),
        head_size=ctx.options.max_head_size * 1024,
        head_fields=ctx.options.max_head_fields,
        head_time=min(ctx.options.head_timeout, patience),
        body_time=min(ctx.options.body_timeout, patience),
        body_rate=ctx.options.min_body_rate,
    )


def networks(texts: Iterable[str]) -> Iterable[limits.Network]:
    """Raises:
    ValueError: one is neither an address nor a network.
    """
    for text in texts:
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(
                f"shared_addresses: expected an address or a network, got {text!r}"
            ) from None
