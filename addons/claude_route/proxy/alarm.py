"""A deadline for a layer, made of mitmproxy's wakeups.

Relies on `RequestWakeup.delay`, `Wakeup.command` and `HttpLayer.command_sources`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from mitmproxy.proxy import commands
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http as layers

TICK = 2.0
"""Seconds that a wakeup takes at most. It can't be taken back, so a long one would outlive its
stream by as much. No usual wait is shorter, so nearly every stream has one wakeup at a time."""

PRECISION = 0.001
"""Seconds. A wakeup that comes earlier than its deadline by less than that is on time: the event
loop's clock is no finer."""


class Clock(NamedTuple):
    monotonic: Callable[[], float]
    """Seconds, for deadlines."""
    wall: Callable[[], float]
    """Unix seconds, which mitmproxy uses for the timestamps of connections."""


SYSTEM_CLOCK = Clock(time.monotonic, time.time)


class Alarm:
    """One deadline at a time. A wakeup that comes before it asks for another."""

    def __init__(self, clock: Clock) -> None:
        self.deadline: float | None = None
        self.wakeups: set[commands.RequestWakeup] = set()
        """Those that are still to come."""
        self._now = clock.monotonic

    def set(self, seconds: float) -> layer.CommandGenerator[None]:
        """Replace any deadline set before."""
        self.deadline = self._now() + seconds
        for wakeup in self.wakeups:
            # When it was asked for doesn't matter: it comes within its whole delay from now.
            if wakeup.delay <= seconds:
                return
        wakeup = commands.RequestWakeup(min(seconds, TICK))
        self.wakeups.add(wakeup)
        yield wakeup

    def put_off(self, seconds: float) -> None:
        """Set a deadline no earlier than the current one, for which the wakeup under way will do.
        Done for each event of a stream, so it asks for nothing."""
        self.deadline = self._now() + seconds

    def clear(self) -> None:
        self.deadline = None

    def rings(self, wakeup: commands.RequestWakeup) -> layer.CommandGenerator[bool]:
        """Whether the deadline has come."""
        self.wakeups.discard(wakeup)
        if self.deadline is None:
            return False
        left = self.deadline - self._now()
        if left > PRECISION:
            yield from self.set(left)
            return False
        self.deadline = None
        return True

    def release(self, parent: layers.HttpLayer) -> None:
        """Clear the deadline for good. The wakeups still under way go to nobody: they can't be
        taken back, but need not keep a stream and its bodies in memory until they come."""
        self.clear()
        for wakeup in self.wakeups & parent.command_sources.keys():
            parent.command_sources[wakeup] = _Nobody()  # type: ignore[assignment]


class _Nobody:
    """Takes the wakeups of streams that are over."""

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()
