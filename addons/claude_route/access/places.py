"""The places of connections: how many clients may be connected, and which connection is closed for another.

A connection on which nobody waits for an answer can be closed at any time: a client opens another. So
idle connections, and those that never got as far as a request, keep nobody out. Where a limit is met,
the oldest of them makes room, as in nginx (worker_connections). Only where every connection is in use
is a client refused.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sized
from typing import Literal

from claude_route.access import addresses
from claude_route.access import limits
from claude_route.access import turns

type Phase = Literal["idle", "head", "busy", "leaving"]
"""`idle`: nothing has come since the last request, or at all. `head`: a TLS handshake or a head has begun to
come. `busy`: a request, or a tunnel. `leaving`: it got its last answer."""

type Reason = Literal["connections", "connections_per_address", "open_files"]
"""The limit that is met."""

HERE = "this machine"
"""The group of all loopback addresses, which has no limit of its own: a front or a tunnel may bring a whole
team."""

AT_ONCE = 32
"""How many connections are closed for a new one, where files are short: each of those accepted before may
need a second file by now, for its upstream."""


class Group:
    """The connections of one address."""

    def __init__(self, name: str, *, limit: int) -> None:
        self.name = name
        self.limit = limit
        """0: none."""
        self.share = turns.Share()
        """Of those who have no name."""
        self.count = 0
        self.closing = 0
        self.strangers: collections.OrderedDict[Place, None] = collections.OrderedDict()
        """Those that can be closed and never had a request, the longest unchanged first."""
        self.regulars: collections.OrderedDict[Place, None] = collections.OrderedDict()
        """The others that can be closed."""

    @property
    def closable(self) -> int:
        return len(self.strangers) + len(self.regulars)


class Place:
    """One connection's."""

    def __init__(self, table: Table, group: Group, close: Callable[[], None], now: float) -> None:
        self.table = table
        self.group = group
        self.share = group.share
        """Of whoever sent the last request."""
        self.close = close
        self.phase: Phase = "idle"
        self.since = now
        """When the phase began."""
        self.had_request = False
        self.waits_since: float | None = None
        """Since when we have waited for the client's next bytes."""
        self.waited = 0.0
        """Seconds in which we waited for the client's bytes, before `waits_since`."""
        self.streams: Sized | None = None
        """The open streams of an HTTP/2 connection."""
        self.has_left = False
        """Whether its connection is closed. What was under way on it may end later."""
        self.has_room = asyncio.Event()
        """Whether we take more bytes from the client."""
        self.has_room.set()
        group.strangers[self] = None

    def turn(self, phase: Phase, now: float) -> None:
        if phase == self.phase:
            return
        self.phase, self.since = phase, now
        self.had_request = self.had_request or phase == "busy"
        self._sort()

    def serves(self, name: str | None, now: float) -> None:
        """A request of a client with this name has come; None if it has none of its own."""
        self.share = self.table.turns.share(name) if name else self.group.share
        self.table.turns.sees(self.share, now)

    def worked(self, seconds: float, now: float) -> None:
        """So much was done for its client beside the event loop."""
        self.table.turns.worked(self.share, seconds, now)

    def receives(self, now: float) -> None:
        """Bytes have come."""
        if self.phase == "idle" and self.streams is None:
            self.turn("head", now)

    def speaks_http2(self, now: float) -> None:
        """What comes from now on is of streams, whose limits aren't the connection's."""
        self.streams = ()
        self.turn("idle", now)

    def multiplexes(self, streams: Sized) -> None:
        """A request has come on an HTTP/2 connection, which can be closed whenever it has no streams."""
        if self.streams is not streams:
            self.streams, self.had_request = streams, True
            self._sort()

    def _sort(self) -> None:
        self.group.strangers.pop(self, None)
        self.group.regulars.pop(self, None)
        if self.has_left or self.table.is_closing(self):
            return
        if self.phase == "idle" and self.had_request:
            self.group.regulars[self] = None
        elif self.phase != "busy":
            self.group.strangers[self] = None

    def waiting(self, now: float) -> float:
        """Seconds in which we waited for the client's bytes so far."""
        return self.waited + (now - self.waits_since if self.waits_since is not None else 0.0)

    @property
    def is_closable(self) -> bool:
        return self.phase != "busy" and not self.streams


class Table:
    """All places."""

    def __init__(self, bounds: limits.Limits | None = None, *, files: int = 2**31) -> None:
        self.limits = bounds or limits.Limits()
        self.files = files
        """How many files may be open when a client is accepted."""
        self.turns = turns.Turns()
        self.count = 0
        self._closing: set[Place] = set()
        """Those that made room, and aren't closed yet."""
        self._groups: dict[str, Group] = {}

    def share(self, address: str) -> turns.Share:
        """What a client of this address has had of the event loop, before it shows who it is."""
        return self._group(address).share

    def enter(
        self, address: str, file: int, close: Callable[[], None], now: float
    ) -> Place | Reason:
        """A place for a connection that has come from an address; where there is none, the limit that is
        met. `file`: its descriptor, of which a system gives the lowest that is free, so that it tells how many
        files are open. `close` is called once where its place is given to another."""
        group = self._group(address)
        if group.limit and group.count - group.closing >= group.limit and not self._close(group):
            return "connections_per_address"
        if self.count - len(self._closing) >= self.limits.connections and not self._close(None):
            return "connections"
        missing = min(file - self.files + 1 - len(self._closing), AT_ONCE)
        if missing > 0 and not [None for _ in range(missing) if self._close(None)]:
            return "open_files"
        self._groups[group.name] = group
        group.count += 1
        self.count += 1
        return Place(self, group, close, now)

    def leave(self, place: Place) -> None:
        """Its connection is closed."""
        place.has_left = True
        group = place.group
        group.strangers.pop(place, None)
        group.regulars.pop(place, None)
        if place in self._closing:
            self._closing.remove(place)
            group.closing -= 1
        group.count -= 1
        self.count -= 1
        if not group.count:
            self._groups.pop(group.name, None)

    def make_room(self) -> bool:
        """Close a connection for a file that is needed elsewhere. False if all are in use."""
        return self._close(None)

    def closable(self) -> list[Place]:
        """Those on which nobody waits for an answer."""
        return [
            place
            for group in self._groups.values()
            for place in (*group.strangers, *group.regulars)
            if place.is_closable
        ]

    @property
    def is_unused(self) -> bool:
        """Whether nobody waits for an answer."""
        return len(self.closable()) + len(self._closing) == self.count

    def is_closing(self, place: Place) -> bool:
        """Whether its place is another's by now."""
        return place in self._closing

    def late(self, now: float) -> Iterator[Place]:
        """Those that began a TLS handshake or a head too long ago."""
        for group in self._groups.values():
            for place in group.strangers:
                if place.phase == "head" and now - place.since > self.limits.head_time:
                    yield place

    def _group(self, address: str) -> Group:
        name, limit = HERE, 0
        parsed = addresses.parse_address(address)
        if not (parsed and parsed.is_loopback):
            limit = self.limits.connections_per_address
            if parsed and any(parsed in network for network in self.limits.shared_addresses):
                limit = 0
            name = addresses.neighbours(address)
        group = self._groups.get(name) or Group(name, limit=limit)
        group.limit = limit
        return group

    def _close(self, group: Group | None) -> bool:
        """Close one connection of this address, or of the one that has the most of those that can be
        closed."""
        if group is None:
            group = max(self._groups.values(), key=lambda each: each.closable, default=None)
            if group is None:
                return False
        for places in (group.strangers, group.regulars):
            if place := next((each for each in places if each.is_closable), None):
                self.close(place)
                return True
        return False

    def close(self, place: Place) -> None:
        """Close a connection that can be closed."""
        place.group.strangers.pop(place, None)
        place.group.regulars.pop(place, None)
        self._closing.add(place)
        place.group.closing += 1
        place.close()


current: contextvars.ContextVar[Place] = contextvars.ContextVar("place")
"""The place of the client's connection that the current task serves."""
