"""Work beside the requests: tasks of the event loop that nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


def start[T](work: Coroutine[Any, Any, T], what: str) -> asyncio.Task[T]:
    """A task for what `what` names in the log, should it end with an exception. asyncio would log one only when
    the task is forgotten, and whoever starts a task keeps it.

    Raises:
        RuntimeError: no event loop runs.
    """

    def report(task: asyncio.Task[T]) -> None:
        # SystemExit ends the process, and has been raised there too.
        if not task.cancelled() and isinstance(failure := task.exception(), Exception):
            logger.error(f"Internal error in {what}", exc_info=failure)

    task = asyncio.get_running_loop().create_task(work, name=what)
    task.add_done_callback(report)
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
