"""What each client has used, what its requests under way may still use, and whether another one may go.

A request reserves the most that it may use before it is sent, and settles what it has used when it is
over. One is admitted as long as something is left that no other has reserved, however little: so requests
at the same time use at most one request more than there is.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Literal
from typing import NamedTuple
from typing import Protocol

from claude_route.profile import limits
from claude_route.routing import calendar

MINUTE = 60.0
"""Seconds."""


class Amount(NamedTuple):
    """What a request uses, or may use."""

    dollars: float = 0.0
    tokens: int = 0
    """Of all kinds."""


NOTHING = Amount()


class Standing(NamedTuple):
    """How a client stands with one of its limits."""

    period: limits.Period
    limit: float
    used: float
    resets: float
    """Unix seconds."""
    unit: Literal["dollars", "tokens"] = "dollars"

    @property
    def is_over(self) -> bool:
        return self.used >= self.limit

    @property
    def share(self) -> float:
        """How much of the limit is used: 1 is all of it."""
        return self.used / self.limit


class Overview(NamedTuple):
    """How a client stands with all of its limits, for people to look at."""

    standings: tuple[Standing, ...]
    reserved: Amount
    """What its requests under way may use."""
    requests: int
    """Those admitted within the last minute, if they are limited."""


type Refusal = Literal["rate", "use", "busy"]
"""Why a request may not go: too many requests within a minute; a budget, or the day's tokens, are used
up; or the requests under way may use up what is left."""


class Decision(NamedTuple):
    """Whether a request may go. If it may, its amount is reserved."""

    refusal: Refusal | None
    wait: float = 0.0
    """Seconds until another request may go, after a refusal for its rate."""
    standing: Standing | None = None
    """The limit that counts: the one that refuses or, if none does, the one of which most is used.
    None without any."""


class Counters(Protocol):
    """Where clients' use is counted: in this process, or for several instances in one place.

    None of the methods may fail because of where that is.
    """

    async def reserve(
        self, client: str, within: limits.Limits, most: Amount, now: float, *, must: bool = False
    ) -> Decision:
        """Ask for a request that uses `most` at most. `now` is in Unix seconds. `must`: it goes in any
        case, because it is part of one that was admitted, or because its client goes on with a model for
        when the budget is spent."""

    def settle(self, client: str, reserved: Amount, used: Amount, now: float) -> None:
        """The request that reserved this is over. Returns at once."""

    def standing(self, client: str, within: limits.Limits, now: float) -> Standing | None:
        """The limit that counts, by what this instance knows."""

    async def look(self, clients: Mapping[str, limits.Limits], now: float) -> None:
        """Learn how clients stand, where others know more. May take long; no request waits for it."""

    def overview(self, client: str, within: limits.Limits, now: float) -> Overview:
        """By what this instance knows."""

    def fill(
        self, client: str, dollars: Mapping[limits.Period, float], tokens: int, now: float
    ) -> None:
        """Take over what the client has used before this process started: in each of the periods that
        `now` is in, and tokens today. Where the counters outlive a process, they know already."""


@dataclass
class _Account:
    """One client's use."""

    dollars: dict[limits.Period, float] = field(default_factory=dict)
    tokens: int = 0
    """Today."""
    starts: dict[limits.Period, float] = field(default_factory=dict)
    """When the periods that are counted began."""
    reserved: Amount = NOTHING
    times: collections.deque[float] = field(default_factory=collections.deque)
    """When the requests of the last minute were admitted."""

    def turn(self, now: float) -> None:
        """Begin again with the periods that are over."""
        if 0 <= now - self.starts.get("day", -math.inf) < calendar.DAY:
            return
        for period in limits.PERIODS:
            start = calendar.start(period, now)
            before = self.starts.get(period, -math.inf)
            self.starts[period] = start
            if start > before:  # or else the clock was put back
                self.dollars[period] = 0.0
                if period == "day":
                    self.tokens = 0

    def standings(self, within: limits.Limits, now: float) -> list[Standing]:
        standings = [
            Standing(
                cap.period, cap.dollars, self.dollars[cap.period], calendar.end(cap.period, now)
            )
            for cap in within.caps
        ]
        if within.tokens_per_day:
            end = calendar.end("day", now)
            standings.append(Standing("day", within.tokens_per_day, self.tokens, end, "tokens"))
        return standings

    def requests(self, now: float) -> int:
        """How many were admitted within the last minute."""
        while self.times and self.times[0] <= now - MINUTE:
            self.times.popleft()
        while self.times and self.times[-1] > now + MINUTE:
            self.times.pop()  # the clock was put back
        return len(self.times)

    def wait(self, most: int | None, now: float) -> float:
        """Seconds until a request may go, if at most this many may within a minute."""
        if most is None or self.requests(now) < most:
            return 0.0
        return self.times[-most] + MINUTE - now

    def is_taken(self, standing: Standing) -> bool:
        """Whether nothing is left that isn't used or reserved."""
        reserved = self.reserved.dollars if standing.unit == "dollars" else self.reserved.tokens
        return standing.used + reserved >= standing.limit


class Book:
    """Counts in this process. Implements `Counters`."""

    def __init__(self) -> None:
        self._accounts: collections.defaultdict[str, _Account] = collections.defaultdict(_Account)

    async def reserve(
        self, client: str, within: limits.Limits, most: Amount, now: float, *, must: bool = False
    ) -> Decision:
        return self.decide(client, within, most, now, must=must)

    def decide(
        self, client: str, within: limits.Limits, most: Amount, now: float, *, must: bool = False
    ) -> Decision:
        """As `reserve`, which waits for nothing here."""
        account = self._account(client, now)
        standings = account.standings(within, now)
        counts = decisive(standings)
        if not must:
            if counts and counts.is_over:
                return Decision("use", standing=counts)
            if wait := account.wait(within.requests_per_minute, now):
                return Decision("rate", wait, counts)
            for standing in standings:
                if account.is_taken(standing):
                    return Decision("busy", standing=standing)
        if within.requests_per_minute:
            account.times.append(now)
        account.reserved = _sum(account.reserved, most)
        return Decision(None, standing=counts)

    def settle(self, client: str, reserved: Amount, used: Amount, now: float) -> None:
        account = self._account(client, now)
        account.reserved = _sum(account.reserved, Amount(-reserved.dollars, -reserved.tokens))
        if account.reserved.tokens <= 0:
            account.reserved = NOTHING  # sums of fractions don't come out exactly
        self._add(account, used)

    def standing(self, client: str, within: limits.Limits, now: float) -> Standing | None:
        return decisive(self.standings(client, within, now))

    def standings(self, client: str, within: limits.Limits, now: float) -> list[Standing]:
        return self._account(client, now).standings(within, now)

    async def look(self, clients: Mapping[str, limits.Limits], now: float) -> None:
        """Nobody knows more."""

    def overview(self, client: str, within: limits.Limits, now: float) -> Overview:
        account = self._account(client, now)
        standings = tuple(account.standings(within, now))
        return Overview(standings, account.reserved, account.requests(now))

    def fill(
        self, client: str, dollars: Mapping[limits.Period, float], tokens: int, now: float
    ) -> None:
        """Adds to what has been counted since."""
        account = self._account(client, now)
        for period, spent in dollars.items():
            account.dollars[period] += spent
        account.tokens += tokens

    def adopt(
        self, client: str, dollars: Mapping[limits.Period, float], tokens: int, now: float
    ) -> None:
        """Others know of at least this much use in the periods that `now` is in."""
        account = self._account(client, now)
        for period, spent in dollars.items():
            account.dollars[period] = max(account.dollars[period], spent)
        account.tokens = max(account.tokens, tokens)

    def used(self, client: str, now: float) -> tuple[dict[limits.Period, float], int]:
        """Dollars in each period that `now` is in, and tokens today."""
        account = self._account(client, now)
        return dict(account.dollars), account.tokens

    def reserved(self, client: str) -> Amount:
        return self._accounts[client].reserved

    def clients(self) -> list[str]:
        """Those that have used something, or may."""
        return list(self._accounts)

    def _account(self, client: str, now: float) -> _Account:
        account = self._accounts[client]
        account.turn(now)
        return account

    def _add(self, account: _Account, used: Amount) -> None:
        for period in limits.PERIODS:
            account.dollars[period] += used.dollars
        account.tokens += used.tokens


def decisive(standings: list[Standing]) -> Standing | None:
    """Of several, the one over its limit that resets last; if none is over, the one of which most is
    used. https://code.claude.com/docs/en/claude-apps-gateway-spend-limits"""
    over = [standing for standing in standings if standing.is_over]
    if over:
        return max(over, key=lambda standing: standing.resets)
    return max(standings, key=lambda standing: standing.share, default=None)


def _sum(one: Amount, other: Amount) -> Amount:
    return Amount(one.dollars + other.dollars, one.tokens + other.tokens)
