"""Work beside the requests: tasks of the event loop that nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)

_running: set[asyncio.Task[Any]] = set()
"""asyncio itself keeps no tasks."""


def start[T](work: Coroutine[Any, Any, T], what: str) -> asyncio.Task[T]:
    """A task that goes on whether or not somebody keeps it. Should it end with an exception, the log has it, with
    what `what` says; asyncio logs one only when nobody keeps the task any more.

    Raises:
        RuntimeError: no event loop runs.
    """

    def end(task: asyncio.Task[T]) -> None:
        _running.discard(task)
        # SystemExit ends the process, and has been raised there too.
        if not task.cancelled() and isinstance(failure := task.exception(), Exception):
            logger.error(f"Internal error in {what}", exc_info=failure)

    task = asyncio.get_running_loop().create_task(work, name=what)
    _running.add(task)
    task.add_done_callback(end)
    return task


def every(seconds: float, look: Callable[[], object], what: str) -> asyncio.Task[None]:
    """Calls `look` again and again, whatever it raises.

    Raises:
        RuntimeError: no event loop runs.
    """

    async def run() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                look()
            except Exception:
                logger.exception(f"Internal error in {what}")

    return start(run(), what)
