"""What clients with limits have used before this process started: asked for once each, and waited for."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import NamedTuple

from claude_route import background
from claude_route.profile import limits

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for which a client's first request waits for its balance, and goes on without it then."""

AGAIN = 30.0
"""Seconds after which a balance that nobody could tell is asked for again."""


class Balance(NamedTuple):
    """What a client has used in the periods that are not over yet."""

    dollars: Mapping[limits.Period, float]
    tokens: int
    """Today."""


type Source = Callable[[str, float, float], Awaitable[Balance | None]]
"""Tells the balance of a client: what it used before a time, in the periods that another time, now, is in;
both in Unix seconds. None: nobody keeps balances. Raises ConnectionError: it can't be told now."""


async def nobody(client: str, before: float, now: float) -> None:
    """A Source where nobody keeps balances."""


class Balances:
    def __init__(
        self,
        source: Source,
        fill: Callable[[str, Mapping[limits.Period, float], int], None],
        clock: Callable[[], float],
        patience: float = PATIENCE,
    ) -> None:
        """`fill` takes a balance over; `clock` returns Unix seconds."""
        self.source = source
        self.fill = fill
        self.clock = clock
        self.patience = patience
        self.started = clock()
        """What came later, this process counts itself."""
        self._known: set[str] = set()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._due: dict[str, float] = {}
        """When clients whose balance nobody could tell are asked for again."""
        self._is_told = False

    def ask(self, clients: Iterable[str]) -> None:
        """Ask for the balances of clients before their first requests need them."""
        for client in clients:
            self._begin(client)

    async def wait(self, client: str) -> None:
        """Wait until a client's balance is taken over, unless that takes too long."""
        if client in self._known:
            return
        is_first = client not in self._due
        task = self._begin(client)
        if task and is_first:
            await asyncio.wait([task], timeout=self.patience)

    def _begin(self, client: str) -> asyncio.Task[None] | None:
        if client in self._known or self.clock() < self._due.get(client, -math.inf):
            return None
        if client not in self._asking:
            task = background.start(self._take(client), "the question what a client has used")
            self._asking[client] = task
            task.add_done_callback(lambda _: self._asking.pop(client, None))
        return self._asking[client]

    async def _take(self, client: str) -> None:
        try:
            balance = await self.source(client, self.started, self.clock())
        except ConnectionError as e:
            self._due[client] = self.clock() + AGAIN
            self._tell(
                logging.WARNING, f"{e}: until it does, budgets leave out what was used before"
            )
            return
        self._known.add(client)
        if balance is None:
            self._tell(
                logging.INFO, "Without a ledger, budgets begin again whenever the proxy starts"
            )
            return
        self.fill(client, *balance)
        if self._due.pop(client, None):
            logger.info(f"What {client} has used before is known now")

    def _tell(self, level: int, words: str) -> None:
        """Once: it is the same for all clients."""
        if not self._is_told:
            self._is_told = True
            logger.log(level, words)
