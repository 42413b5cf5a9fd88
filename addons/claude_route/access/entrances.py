"""Where connections come in: each gets a place, or an error."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable
from collections.abc import Coroutine

from mitmproxy import connection
from mitmproxy.net.http import http1

from claude_route import responses
from claude_route.access import limits
from claude_route.access import places
from claude_route.access import turns
from claude_route.patches import accepting

logger = logging.getLogger(__name__)

FAREWELL = 1.0
"""Seconds for a refused client to read why. Closing at once, with its request unread, would take the answer
from it: TCP resets such connections."""

FAREWELLS = 64
"""How many clients get that time at once."""

REFUSALS: dict[places.Reason, tuple[int, str]] = {
    "connections": (503, "This proxy has as many connections as it may (max_connections)"),
    "connections_per_address": (
        429,
        "Your address has as many connections as it may (max_connections_per_address)",
    ),
    "open_files": (503, "This proxy has as many open files as it may (ulimit -n)"),
}


class Entrance:
    """Admits connections of the listeners.

    `refusal` returns why a client may not connect at all, or None. `clock` gives seconds.
    """

    def __init__(
        self,
        table: places.Table,
        meter: limits.Meter = limits.meter,
        clock: Callable[[], float] = time.monotonic,
        refusal: Callable[[connection.Client], str | None] = lambda client: None,
    ) -> None:
        self.table = table
        self._refusal = refusal
        self._meter = meter
        self._clock = clock
        self.is_ending = False
        """Whether idle connections are closed because the process ends."""
        self._farewells = 0
        self._opened = asyncio.Event()
        self.open()

    def hold(self) -> None:
        """Have connections wait until `open`. mitmproxy may listen before the addons run, and the first request
        needs all of them: what the store knows, for example."""
        self._opened.clear()

    def open(self) -> None:
        """Serve from now on."""
        self._opened.set()

    async def accept(
        self,
        client: connection.Client,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        serve: accepting.Serve,
    ) -> None:
        """Serve a connection if there is a place for it."""
        if why := self._refusal(client):
            self.hit("keyless_modes", f"Refused a connection from {address_of(writer)}: {why}")
            await self._close(reader, writer)
            return
        await self._opened.wait()
        address = address_of(writer)
        if not self.table.turns.is_free(self._clock()):
            await self.table.turns.wait(self.table.share(address))
        place = self.enter(
            address,
            writer.get_extra_info("socket").fileno(),
            writer.transport.abort,
        )
        if not isinstance(place, places.Place):
            await self._refuse(reader, writer, place)
            return
        places.current.set(place)
        vars(reader)["read"] = self._reading(reader.read, place)
        try:
            await serve()
        finally:
            self.table.leave(place)
            del vars(reader)["read"]  # which refers to the reader: see `patches.accepting.part`

    def enter(
        self, address: str, file: int, close: Callable[[], None]
    ) -> places.Place | places.Reason:
        """A place, as `places.Table.enter` gives it. What had to be done for it is counted and logged."""

        def evict() -> None:
            count = self.table.count
            why = f"Closed an idle connection, to make room for others: there are {count}"
            if not self.is_ending:
                self.hit("connections_closed", why)
            close()

        place = self.table.enter(address, file, evict, self._clock())
        if not isinstance(place, places.Place):
            _, why = REFUSALS[place]
            self.hit(place, f"Refused a connection from {address}: {why}")
        return place

    def hit(self, name: str, message: str) -> None:
        if line := self._meter.line(name, message, self._clock()):
            logger.warning(line)

    async def _refuse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reason: places.Reason
    ) -> None:
        status, why = REFUSALS[reason]
        answer = responses.passing(status, why)
        answer.headers["connection"] = "close"
        with contextlib.suppress(OSError):
            writer.write(http1.assemble_response(answer))
        await self._close(reader, writer, may_wait=reason != "open_files")

    async def _close(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_wait: bool = True
    ) -> None:
        if may_wait and self._farewells < FAREWELLS:
            self._farewells += 1
            try:
                writer.write_eof()
                async with asyncio.timeout(FAREWELL):
                    while await reader.read(64 * 1024):
                        pass
            except (TimeoutError, OSError):
                pass
            finally:
                self._farewells -= 1
        writer.close()

    def _reading(
        self, stock: Callable[[int], Coroutine[None, None, bytes]], place: places.Place
    ) -> Callable[[int], Coroutine[None, None, bytes]]:
        clock, taken = self._clock, self.table.turns
        is_first = True

        @functools.wraps(stock)
        async def read(n: int = -1) -> bytes:
            nonlocal is_first
            if is_first:
                # mitmproxy's task that reads begins at once, and can close its connection only when it is
                # known. What came while the connection waited for its turn may not be read before that.
                is_first = False
                await asyncio.sleep(0)
            if not place.has_room.is_set():
                await place.has_room.wait()
            place.waits_since = began = clock()
            try:
                data = await stock(n)
            finally:
                now = clock()
                place.waited += now - began
                place.waits_since = None
            if data:
                place.receives(now)
            if len(data) > turns.PIECE and (rest := place.share.rests_until - now) > 0:
                await asyncio.sleep(rest)
            if not taken.is_free(clock()):
                await taken.wait(place.share)
            taken.charge(place.share, len(data))
            return data

        return read


def address_of(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if peer else ""
