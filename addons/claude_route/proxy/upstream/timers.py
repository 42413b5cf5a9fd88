"""Time, as an event loop has it. Tests bring their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    def cancel(self) -> None: ...


class Timers(Protocol):
    """The part of asyncio.AbstractEventLoop that is about time."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Handle: ...


@contextlib.asynccontextmanager
async def within(clock: Timers, seconds: float) -> AsyncIterator[None]:
    """asyncio.timeout() by this clock: TimeoutError when the block takes longer."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        handle = clock.call_at(
            clock.time() + seconds,
            lambda: None if scope.expired() else scope.reschedule(loop.time()),
        )
        try:
            yield
        finally:
            handle.cancel()
