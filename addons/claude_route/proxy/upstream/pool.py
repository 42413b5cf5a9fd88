"""Connections that nobody uses right now."""

from __future__ import annotations

import functools
from typing import NamedTuple

from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import timers


class Bounds(NamedTuple):
    """How much is kept."""

    idle: float = 50.0
    """Seconds. Servers close theirs after 60 to 75, so that ours go first; what one says of itself
    (`keep-alive: timeout=`) counts where it is shorter."""
    per_destination: int = 16
    total: int = 100


class Idle(NamedTuple):
    since: float
    connection: http1.Connection
    expiry: timers.Handle


class Pool:
    """The last one that was given back is the first to be taken: the least likely to be closed by its
    server, and those that a burst has left over get to expire."""

    def __init__(self, clock: timers.Timers, bounds: Bounds) -> None:
        self._clock = clock
        self._bounds = bounds
        self._idle: dict[http1.Connection, tuple[dial.Destination, Idle]] = {}
        """In the order in which they were given back."""
        self._stacks: dict[dial.Destination, list[Idle]] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def count(self, destination: dial.Destination) -> int:
        return len(self._stacks.get(destination, ()))

    def take(self, destination: dial.Destination) -> Idle | None:
        """One that goes there, else one that goes there and has carried no credential yet."""
        for key in (destination, destination._replace(credential="")):
            while stack := self._stacks.get(key):
                idle = stack[-1]
                self.forget(idle.connection)
                if idle.connection.is_quiet:
                    return idle
                idle.connection.close()
        return None

    def give(self, destination: dial.Destination, connection: http1.Connection) -> None:
        """Keeps a connection, or closes it where it can't be used again."""
        seconds = self._bounds.idle
        if connection.keep_alive is not None:
            # A second earlier than the server, which counts from when it sent the end.
            seconds = min(seconds, connection.keep_alive - 1)
        is_fit = connection.is_reusable or (connection.is_idle and not connection.requests)
        if not is_fit or seconds <= 0 or self._bounds.per_destination < 1:
            connection.close()
            return
        now = self._clock.time()
        expiry = self._clock.call_at(now + seconds, functools.partial(self._expire, connection))
        idle = Idle(now, connection, expiry)
        self._idle[connection] = destination, idle
        stack = self._stacks.setdefault(destination, [])
        stack.append(idle)
        if len(stack) > self._bounds.per_destination:
            self._expire(stack[0].connection)
        if len(self._idle) > self._bounds.total:
            self._expire(next(iter(self._idle)))

    def drop(self, destination: dial.Destination) -> None:
        """Closes what is kept for a destination whose kept connections have turned out to be dead."""
        for idle in list(self._stacks.get(destination, ())):
            self._expire(idle.connection)

    def forget(self, connection: http1.Connection) -> bool:
        """One that was taken, or that has closed. False for one that is not kept here."""
        destination, idle = self._idle.pop(connection, (None, None))
        if destination is None or idle is None:
            return False
        idle.expiry.cancel()
        stack = self._stacks[destination]
        stack.remove(idle)
        if not stack:
            del self._stacks[destination]
        return True

    def close(self) -> None:
        for connection in list(self._idle):
            self._expire(connection)

    def _expire(self, connection: http1.Connection) -> None:
        connection.close()
        self.forget(connection)
