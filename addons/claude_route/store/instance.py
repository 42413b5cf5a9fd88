"""This process among others that share a store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from claude_route import background
from claude_route.proxy import state
from claude_route.routing import health
from claude_route.routing import rotation
from claude_route.routing import threads
from claude_route.store import counters
from claude_route.store import link
from claude_route.store import peers
from claude_route.store import seats
from claude_route.store import tokens
from claude_route.text import quantities
from claude_route.text import urls

logger = logging.getLogger(__name__)

CLOCKS = 10.0
"""Seconds by which clocks may differ: a part of them is the way there and back."""

FAREWELL = 1.0
"""Seconds that the end waits for what Redis doesn't have yet."""


class Instance:
    """Connects from `start` to `stop`."""

    def __init__(
        self,
        url: str,
        state_in_force: Callable[[], state.State | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` returns Unix seconds."""
        self.url = url
        self._state_in_force = state_in_force
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self.tokens = tokens.Tokens(self._pool, self._resume)
        self.link = link.Link(url, self._greet, self._resume)
        self._has_warned = False
        self.seats = seats.Seats(self.link, clock)
        self.tokens.use(self.link, self.seats.moved)
        self.counters = counters.Counters(self.tokens.instance, self.link)

    def start(self, in_force: state.State, workers: peers.Peers | None = None) -> None:
        """Have requests share what they share with those of others."""
        in_force.pool.listener = self.tokens
        in_force.threads.kept = self.seats.kept
        in_force.sharing.store = self.seats
        self.counters.book = in_force.gate.book
        in_force.gate.counters = self.counters
        self.link.start()
        self._tasks.append(
            background.start(self.tokens.run(), "the exchange of what tokens can do")
        )
        if workers:
            self._tasks.append(background.start(workers.run(self.link), "the exchange of metrics"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.tokens.send_windows()
        await self.link.stop(FAREWELL)

    async def _greet(self, connection: link.Link) -> None:
        await self.tokens.greet(connection)
        (answer,) = await connection.now(("TIME",))
        if not isinstance(answer, Exception):  # it may not be allowed
            self._compare(float(answer[0]) + float(answer[1]) / 1e6)

    def _compare(self, time_there: float) -> None:
        """Warn of a clock that is wrong: where one instance's is a day ahead, budgets begin again for all."""
        ahead = self._clock() - time_there
        if abs(ahead) > CLOCKS and not self._has_warned:
            self._has_warned = True
            logger.warning(
                f"The clock here is {quantities.duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} "
                f"that of {urls.shown(self.url)}: limits of clients begin again by it, so set it right"
            )

    def _pool(self) -> rotation.Pool | None:
        in_force = self._state_in_force()
        return in_force.pool if in_force else None

    def _resume(self) -> None:
        if self.link.is_up:
            self.counters.resume(self._clock())


def alone(in_force: state.State) -> None:
    """Have requests share what they share with nobody else."""
    in_force.pool.listener = health.Listener()
    in_force.threads.kept = threads.nobody
    in_force.sharing.store = None
    in_force.gate.counters = in_force.gate.book
