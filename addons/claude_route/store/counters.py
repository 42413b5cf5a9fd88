"""Counts clients' use for all instances in Redis, and keeps a book of its own for when Redis is gone."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from claude_route.profile import limits
from claude_route.routing import budgets
from claude_route.routing import calendar
from claude_route.store import budget_scripts
from claude_route.store import link
from claude_route.store import names
from claude_route.store import resp


class _Settlement(NamedTuple):
    client: str
    used: budgets.Amount
    reserved: budgets.Amount
    now: float


class _Seen(NamedTuple):
    """What Redis has told of a client that isn't in the book."""

    at: float
    reserved: budgets.Amount
    requests: int


FRESH = 5.0
"""Seconds for which what Redis has told of a client is taken for true."""

AT_ONCE = 100
"""Clients that Redis is asked for in one step, which takes it less than a millisecond."""


_RESERVE, _SETTLE = budget_scripts.RESERVE.encode(), budget_scripts.SETTLE.encode()


class Counters:
    """Implements `budgets.Counters`.

    The book has what Redis has answered, and what this instance has counted since. A settlement waits here
    until Redis has it.
    """

    def __init__(self, instance: str, connection: link.Link) -> None:
        self._instance = instance
        self._link = connection
        self.book = budgets.Book()
        self._number = 0
        self._unsent: collections.OrderedDict[int, _Settlement] = collections.OrderedDict()
        self._asked = 0
        self._seen: dict[str, _Seen] = {}

    async def reserve(
        self,
        client: str,
        within: limits.Limits,
        most: budgets.Amount,
        now: float,
        *,
        must: bool = False,
    ) -> budgets.Decision:
        if within == limits.NONE:
            return self.book.decide(client, within, most, now, must=must)

        def late(answer: bytes) -> None:
            """The client has left, and Redis has reserved it nevertheless."""
            if self._decision(answer, client, within, most, now).refusal is None:
                self.settle(client, most, budgets.NOTHING, now)

        question = self._question(client, within, most, now, must=must)
        try:
            answer = await self._link.reply(*question, late=late)
        except (ConnectionError, ValueError):
            return self.book.decide(client, within, most, now, must=must)
        return self._decision(answer, client, within, most, now)

    def settle(
        self, client: str, reserved: budgets.Amount, used: budgets.Amount, now: float
    ) -> None:
        self.book.settle(client, reserved, used, now)
        if reserved == used == budgets.NOTHING:
            return
        self._number += 1
        self._unsent[self._number] = _Settlement(client, used, reserved, now)
        if self._link.is_up:
            self._send(self._number)

    def standing(self, client: str, within: limits.Limits, now: float) -> budgets.Standing | None:
        return self.book.standing(client, within, now)

    async def look(self, clients: Mapping[str, limits.Limits], now: float) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            for some in itertools.batched(clients, AT_ONCE):
                answers = await self._link.ask(*self._view(some, now))
                for client, answer in zip(some, answers, strict=True):
                    self._learn(client, [each.decode() for each in answer], now)

    def overview(self, client: str, within: limits.Limits, now: float) -> budgets.Overview:
        known = self.book.overview(client, within, now)
        seen = self._seen.get(client)
        if seen is None or now - seen.at > FRESH:
            return known
        return known._replace(reserved=seen.reserved, requests=seen.requests)

    def fill(
        self, client: str, dollars: Mapping[limits.Period, float], tokens: int, now: float
    ) -> None:
        self.book.adopt(client, dollars, tokens, now)
        if self._link.is_up:
            self._restore(client, now)

    def resume(self, now: float) -> None:
        """Redis is there, or there again, perhaps without what it knew: tell it all. Nothing counts twice."""
        for number, settlement in self._unsent.items():
            # What is reserved is told below, as it is now.
            self._unsent[number] = settlement._replace(reserved=budgets.NOTHING)
        for client in self.book.clients():
            self._restore(client, now)
        for number in self._unsent:
            self._send(number)

    def _question(
        self,
        client: str,
        within: limits.Limits,
        most: budgets.Amount,
        now: float,
        *,
        must: bool,
    ) -> resp.Command:
        self._asked += 1
        caps = {cap.period: cap.dollars for cap in within.caps}
        command: list[resp.Argument] = ["EVAL", _RESERVE, 2, *_keys(client)]
        command += [repr(now), self._instance, names.INSTANCE, *_starts(now)]
        command += [_text(most.dollars), most.tokens, int(must), within.requests_per_minute or 0]
        command += [_text(caps.get(period, 0)) for period in limits.PERIODS]
        command += [within.tokens_per_day or 0, f"{self._instance}:{self._asked}"]
        return command

    def _view(self, clients: Sequence[str], now: float) -> resp.Command:
        keys = [key for client in clients for key in _keys(client)]
        command: list[resp.Argument] = ["EVAL", budget_scripts.LOOK, len(keys), *keys]
        return [*command, repr(now), self._instance, names.INSTANCE, *_starts(now)]

    def _learn(self, client: str, answer: Sequence[str], now: float) -> None:
        *spent, tokens, dollars_held, tokens_held, requests = answer
        dollars = dict(zip(limits.PERIODS, map(float, spent), strict=True))
        self.book.adopt(client, dollars, int(tokens), now)
        reserved = budgets.Amount(float(dollars_held), int(tokens_held))
        self._seen[client] = _Seen(now, reserved, int(requests))

    def _decision(
        self,
        answer: Any,
        client: str,
        within: limits.Limits,
        most: budgets.Amount,
        now: float,
    ) -> budgets.Decision:
        refusal, which, wait, *used = answer.decode().split(" ")
        dollars = dict(zip(limits.PERIODS, map(float, used[:3]), strict=True))
        self.book.adopt(client, dollars, int(used[3]), now)
        if refusal == "":
            return self.book.decide(client, within, most, now, must=True)
        standings = self.book.standings(client, within, now)
        if refusal == "busy":
            taken = next(
                each
                for each in standings
                if which == ("tokens" if each.unit == "tokens" else each.period)
            )
            return budgets.Decision("busy", standing=taken)
        counts = budgets.decisive(standings)
        if refusal == "rate":
            return budgets.Decision("rate", float(wait), counts)
        return budgets.Decision("use", standing=counts)

    def _send(self, number: int) -> None:
        client, used, reserved, now = self._unsent[number]
        command: list[resp.Argument] = ["EVAL", _SETTLE, 1, names.client(client)]
        command += [number, self._instance, *_starts(now)]
        command += [_text(used.dollars), used.tokens, _text(reserved.dollars), reserved.tokens]
        answer = self._link.ask(*command)
        answer.add_done_callback(lambda done: self._sent(number, done))

    def _sent(self, number: int, answer: asyncio.Future[Any]) -> None:
        if answer.cancelled() or isinstance(answer.exception(), ConnectionError):
            return
        self._unsent.pop(number, None)

    def _restore(self, client: str, now: float) -> None:
        dollars, tokens = self.book.used(client, now)
        for settlement in self._unsent.values():
            for period in limits.PERIODS if settlement.client == client else ():
                if calendar.start(period, settlement.now) == calendar.start(period, now):
                    dollars[period] -= settlement.used.dollars
                    tokens -= settlement.used.tokens if period == "day" else 0
        reserved = self.book.reserved(client)
        command: list[resp.Argument] = ["EVAL", budget_scripts.RESTORE, 1, names.client(client)]
        command += [self._instance, *_starts(now)]
        command += [_text(max(0.0, dollars[period])) for period in limits.PERIODS]
        command += [max(0, tokens), _text(reserved.dollars), reserved.tokens]
        self._link.ask(*command).add_done_callback(link.forget)


def _keys(client: str) -> tuple[str, str]:
    """Its hash, and the times of its requests."""
    key = names.client(client)
    return key, f"{key}:times"


def _starts(now: float) -> list[int]:
    return [int(calendar.start(period, now)) for period in limits.PERIODS]


def _text(dollars: float) -> str:
    """As Redis reads numbers: it takes no exponents."""
    return f"{dollars:.9f}"
