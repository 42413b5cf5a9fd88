"""Keeps garbage collections short.

A full one looks at every object there is. What mitmproxy has loaded by the time it runs takes 40 to 60
ms, in which no stream goes on, and stays until the end. Thousands of connections take another 200 ms;
most of what they consist of is freed without a collection when they end.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from claude_route.proxy import work

LONG = 0.005
"""Seconds of the processor's time. If a full collection takes longer, what it has looked at is frozen: it isn't
looked at again soon. The next one comes once there is a quarter more, so that none takes much longer."""

AGAIN = 600.0
SOON = 10.0
"""Seconds after which it is looked at all the same, because some of it has become garbage: SOON where few clients
are connected, and none waits for an answer."""

CALM = 5
"""How many looks in a row have to find that: between two requests of a busy client it is so too."""

OFTEN = 3
"""How many collections of what is younger come before each of what is old; Python's own number is 10. After ten,
there are 70,000 new objects, which take 15 ms."""


class Collector:
    """Has to be the last addon whose hook `running` is called."""

    def __init__(
        self,
        spent: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spent` gives seconds of the processor's time, `clock` any."""
        self._spent = spent
        self._clock = clock
        self._began = 0.0
        self._frozen_at: float | None = None
        self._calm = 0
        self._thresholds = gc.get_threshold()

    def running(self) -> None:
        collect_all()
        gc.set_threshold(*self._thresholds[:2], OFTEN)
        if self.watch not in gc.callbacks:
            gc.callbacks.append(self.watch)

    def done(self) -> None:
        if self.watch in gc.callbacks:
            gc.callbacks.remove(self.watch)
            gc.set_threshold(*self._thresholds)

    def watch(self, phase: str, info: dict[str, Any]) -> None:
        """For `gc.callbacks`."""
        if info["generation"] < 2:
            return
        if phase == "start":
            self._began = self._spent()
        elif self._spent() - self._began > LONG:
            self._frozen_at = self._clock() if self._frozen_at is None else self._frozen_at
            gc.freeze()

    def look(self, is_quiet: bool) -> None:
        """Collect what has become garbage meanwhile. To be called from time to time; `is_quiet`: few clients
        are connected, and none waits for an answer."""
        self._calm = self._calm + 1 if is_quiet else 0
        if self._frozen_at is None:
            return
        if self._clock() - self._frozen_at > (SOON if self._calm >= CALM else AGAIN):
            gc.unfreeze()
            collect_all()
            work.behind(work.trim)
            # Last: this collection takes long too, and would ask for the next.
            self._frozen_at = None


def collect_all() -> None:
    """Collect the garbage among all objects, and look at none of them again."""
    gc.collect()
    gc.freeze()
    # Python waits for a quarter more than the last collection has left: that would be a quarter of all these.
    gc.collect()
