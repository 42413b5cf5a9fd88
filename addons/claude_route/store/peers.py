"""The metrics of the other workers of one supervisor: a scrape reaches only one of them.

Each puts its own into the store every INTERVAL seconds, and reads those of the others. So what a scrape has of
others is that old, and never older than what the scrape before it had, if those are further apart than twice
INTERVAL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from claude_route.store import link
from claude_route.store import names

INTERVAL = 2.5
"""Seconds."""

KEPT = 15
"""Seconds for which a worker's metrics are kept after it has ended."""


class Worker(NamedTuple):
    """Which process this is of those that one supervisor has started."""

    supervisor: str
    number: int
    """From 1."""
    total: int
    folder: str = ""
    """Where the workers have their sockets, which only this user can open."""


class Peers:
    def __init__(self, own: Worker, text: Callable[[], bytes]) -> None:
        """`text` makes this worker's metrics."""
        self.own = own
        self._text = text
        self.texts: dict[int, bytes] = {}
        """The metrics of the other workers, by number."""

    async def run(self, connection: link.Link) -> None:
        while True:
            try:
                key = names.metrics(self.own.supervisor, self.own.number)
                await connection.ask("SET", key, self._text(), "EX", KEPT)
                others = [n for n in range(1, self.own.total + 1) if n != self.own.number]
                keys = [names.metrics(self.own.supervisor, number) for number in others]
                texts = await connection.ask("MGET", *keys)
                self.texts = {n: text for n, text in zip(others, texts, strict=True) if text}
            except (ConnectionError, ValueError):
                self.texts = {}
            await asyncio.sleep(INTERVAL)
