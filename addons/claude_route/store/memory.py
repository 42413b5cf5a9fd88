"""Remembers rests and disabled tokens in a file, where no store is shared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

from claude_route.routing import health
from claude_route.routing import quota
from claude_route.routing import rotation
from claude_route.store import file

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between a change and its writing."""


class Memory(health.Listener):
    """The pool's listener. Writes only after a change."""

    def __init__(
        self,
        path: Path,
        pool: Callable[[], rotation.Pool | None],
        source: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        """`source` is a digest of profile and `.env`; `clock` returns Unix seconds."""
        self.path = path
        self._pool = pool
        self._source = source
        self._clock = clock
        self._changed: set[str] = set()
        """Secrets."""
        self._has_failed = False

    def recall(self) -> None:
        """Have the pool take over what the file has."""
        pool = self._pool()
        if pool is None:
            return
        try:
            reports = file.read(self.path, (token.secret for token in pool.tokens), self._source())
        except (OSError, ValueError) as e:
            logger.warning(f"Cannot read which tokens rest: {e}")
            return
        for token in pool.tokens:
            if report := reports.get(token.secret):
                pool.adopt(token, report)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if reports := self._reports():
                await asyncio.to_thread(self._write, reports, self._source())

    def write(self) -> None:
        """Write what isn't written yet."""
        if reports := self._reports():
            self._write(reports, self._source())

    def _reports(self) -> dict[str, health.Health]:
        pool = self._pool()
        changed, self._changed = self._changed, set()
        if pool is None:
            return {}
        return {
            token.secret: pool.report(token) for token in pool.tokens if token.secret in changed
        }

    def _write(self, reports: Mapping[str, health.Health], source: str) -> None:
        try:
            file.write(self.path, reports, source, self._clock())
        except OSError as e:
            if not self._has_failed:
                logger.warning(f"Cannot write which tokens rest: {e}; a restart will forget it")
            self._has_failed = True
        else:
            self._has_failed = False

    # What the pool reports

    def rested(self, secret: str, held: health.Held) -> None:
        self._changed.add(secret)

    def answered(self, secret: str, families: tuple[str | None, ...], asked: float) -> None:
        self._changed.add(secret)

    def disabled(self, secret: str, reason: str) -> None:
        self._changed.add(secret)

    def enabled(self, secret: str) -> None:
        self._changed.add(secret)

    def woken(self, secret: str) -> None:
        self._changed.add(secret)

    def used(self, secret: str, windows: Mapping[str, quota.Window]) -> None:
        """Each answer tells: it isn't worth a file."""
