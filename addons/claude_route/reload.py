"""Notices that files have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between checks. A change must apply within two."""

type Stamp = tuple[int, int] | None


def stamp(path: Path) -> Stamp:
    """A value that changes when the file is rewritten; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Watch:
    """Calls `changed` when one of the files is written, created or removed."""

    def __init__(self, paths: Sequence[Path], changed: Callable[[], None]) -> None:
        self._paths = paths
        self._changed = changed
        self._stamps = [stamp(path) for path in paths]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self.look()

    def look(self) -> None:
        stamps = [stamp(path) for path in self._paths]
        if stamps != self._stamps:
            self._stamps = stamps
            self._changed()
