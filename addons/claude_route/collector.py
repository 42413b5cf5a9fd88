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

LONG = 0.025
"""Seconds of the processor's time. If a full collection takes longer, what it has looked at is frozen: it isn't
looked at again soon."""

AGAIN = 600.0
SOON = 10.0
"""Seconds after which it is looked at all the same, because some of it has become garbage: SOON where few clients
are connected, and none waits for an answer."""


class Collector:
    """Has to be the last addon whose hook `running` is called."""

    def __init__(
        self,
        work: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`work` gives seconds of the processor's time, `clock` any."""
        self._work = work
        self._clock = clock
        self._began = 0.0
        self._frozen_at: float | None = None

    def running(self) -> None:
        gc.collect()  # else garbage would stay too
        gc.freeze()
        if self.watch not in gc.callbacks:
            gc.callbacks.append(self.watch)

    def done(self) -> None:
        if self.watch in gc.callbacks:
            gc.callbacks.remove(self.watch)

    def watch(self, phase: str, info: dict[str, Any]) -> None:
        """For `gc.callbacks`."""
        if info["generation"] < 2:
            return
        if phase == "start":
            self._began = self._work()
        elif self._work() - self._began > LONG:
            self._frozen_at = self._clock() if self._frozen_at is None else self._frozen_at
            gc.freeze()

    def look(self, is_quiet: bool) -> None:
        """Collect what has become garbage meanwhile. To be called from time to time; `is_quiet`: few clients
        are connected, and none waits for an answer."""
        if self._frozen_at is None:
            return
        if self._clock() - self._frozen_at > (SOON if is_quiet else AGAIN):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            # Last: this collection takes long too, and would ask for the next.
            self._frozen_at = None
