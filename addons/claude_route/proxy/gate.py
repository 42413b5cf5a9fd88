"""Lets a client's requests go within its limits, and has one wait while others may use up what is left."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

from claude_route.profile import clients
from claude_route.profile import limits
from claude_route.proxy import balances
from claude_route.routing import budgets

PATIENCE = 60.0
"""Seconds for which a request waits at most: most answers take less. A stream gets pings meanwhile."""

POLL = 0.25
"""Seconds between two looks at whether requests at other instances are over."""

LOOK = 0.5
"""Seconds for which a page waits for what the ledger and other instances know of clients."""


REFUSALS, EACH = 20, 0.1
"""A client that heeds no refusal gets so many at once, and another one each `EACH` seconds: to refuse a request
takes half the processor time of an answer, which others would wait for."""

LONGEST = 5.0
"""Seconds for which a refusal is held back at most."""


class _Line:
    """A client's requests that wait."""

    def __init__(self) -> None:
        self.refused_until = 0.0
        """When its refusals would have come to an end, one each `EACH` seconds."""
        self.lock = asyncio.Lock()
        """Only the first of them looks whether it may go."""
        self.changed = asyncio.Event()


class Gate:
    def __init__(
        self,
        counters: budgets.Counters | None = None,
        *,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
        source: balances.Source = balances.nobody,
    ) -> None:
        """`clock` returns Unix seconds; `source` knows what clients have used before this process started."""
        self.book = budgets.Book()
        """What this process counts by itself."""
        self.counters: budgets.Counters = counters or self.book
        self.clock = clock
        self.patience = patience
        self.balances = balances.Balances(source, self.fill, clock)
        self._lines: collections.defaultdict[str, _Line] = collections.defaultdict(_Line)

    async def admit(
        self, client: clients.Client, most: budgets.Amount, *, must: bool = False
    ) -> budgets.Decision:
        """Reserve the most that a request may use. If the decision is no refusal, it has to be settled.

        A request waits while those under way may use up what is left, behind the others that wait. The
        first one waits until it is known what its client has used before.
        """
        if client.limits.are_of_use:
            await self.balances.wait(client.name)
        line = self._lines[client.name]
        if must or not line.lock.locked():
            decision = await self._reserve(client, most, must=must)
            if decision.refusal != "busy":
                if decision.refusal:
                    await self._hold_back(line)
                return decision
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience), line.lock:
                while True:
                    line.changed.clear()
                    decision = await self._reserve(client, most)
                    if decision.refusal != "busy":
                        return decision
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(line.changed.wait(), POLL)
        return budgets.Decision("busy", standing=self._standing(client))

    def settle(
        self, client: clients.Client, reserved: budgets.Amount, used: budgets.Amount
    ) -> None:
        """The request that reserved this is over."""
        self.counters.settle(client.name, reserved, used, self.clock())
        self._lines[client.name].changed.set()

    async def look(self, limited: Collection[clients.Client]) -> None:
        """Learn how clients stand, for `overview`."""
        known = [self.balances.wait(each.name) for each in limited if each.limits.are_of_use]
        look = self.counters.look({each.name: each.limits for each in limited}, self.clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await asyncio.gather(*known, look)

    def overview(self, client: clients.Client) -> budgets.Overview:
        """How a client stands, by what this instance knows since the last `look`."""
        return self.counters.overview(client.name, client.limits, self.clock())

    def fill(self, client: str, dollars: Mapping[limits.Period, float], tokens: int) -> None:
        """Take over what a client has used before this process started, in the periods that are not over
        yet, and how many tokens today."""
        self.counters.fill(client, dollars, tokens, self.clock())

    async def _hold_back(self, line: _Line) -> None:
        now = self.clock()
        line.refused_until = max(line.refused_until, now - REFUSALS * EACH) + EACH
        if (wait := line.refused_until - now) > 0:
            await asyncio.sleep(min(wait, LONGEST))

    async def _reserve(
        self, client: clients.Client, most: budgets.Amount, *, must: bool = False
    ) -> budgets.Decision:
        return await self.counters.reserve(
            client.name, client.limits, most, self.clock(), must=must
        )

    def _standing(self, client: clients.Client) -> budgets.Standing | None:
        return self.counters.standing(client.name, client.limits, self.clock())
