"""A deadline for a layer, built from mitmproxy's wakeups.

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
"""The longest wakeup, in seconds. mitmproxy can't cancel a wakeup, so a long one would outlive its
stream. No usual wait is shorter, so nearly every stream has one wakeup at a time."""

PRECISION = 0.001
"""Seconds by which a wakeup may come early and still count as on time: the event loop's clock has no
finer resolution."""


class Clock(NamedTuple):
    monotonic: Callable[[], float]
    """Seconds, for deadlines."""
    wall: Callable[[], float]
    """Unix seconds, which mitmproxy uses for the timestamps of connections."""


SYSTEM_CLOCK = Clock(time.monotonic, time.time)


class Alarm:
    """One deadline at a time. A wakeup that fires before the deadline requests the next one."""

    def __init__(self, clock: Clock) -> None:
        self.deadline: float | None = None
        self.wakeups: set[commands.RequestWakeup] = set()
        """The wakeups that have not fired yet."""
        self._now = clock.monotonic

    def set(self, seconds: float) -> layer.CommandGenerator[None]:
        """Replace any deadline set before."""
        self.deadline = self._now() + seconds
        for wakeup in self.wakeups:
            # It fires within its delay from now, whenever it was requested.
            if wakeup.delay <= seconds:
                return
        wakeup = commands.RequestWakeup(min(seconds, TICK))
        self.wakeups.add(wakeup)
        yield wakeup

    def put_off(self, seconds: float) -> None:
        """Move the deadline, never to an earlier time, so that the pending wakeup suffices. This is
        called for each event of a stream, so it must be cheap."""
        self.deadline = self._now() + seconds

    def clear(self) -> None:
        self.deadline = None

    def rings(self, wakeup: commands.RequestWakeup) -> layer.CommandGenerator[bool]:
        """Handle a wakeup. Returns whether the deadline has passed."""
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
        """Clear the deadline for good, and detach the pending wakeups. They can't be cancelled, but must
        not keep the stream and its bodies in memory until they fire."""
        self.clear()
        for wakeup in self.wakeups & parent.command_sources.keys():
            parent.command_sources[wakeup] = _Nobody()  # type: ignore[assignment]


class _Nobody:
    """Receives the wakeups of streams that are over, and ignores them."""

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()
