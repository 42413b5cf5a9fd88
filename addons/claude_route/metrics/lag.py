"""Measures how late the event loop is: what waits for it, all streams wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY = 0.5
"""Seconds."""


class Lag:
    """An addon: sets a timer over and over."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        """`observe` gets seconds."""
        self.observe = observe
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def running(self) -> None:
        self._set()

    def done(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _set(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + EVERY
        self._timer = loop.call_at(self._due, self._came)

    def _came(self) -> None:
        self.observe(max(0.0, asyncio.get_running_loop().time() - self._due))
        self._set()
