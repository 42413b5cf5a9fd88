from __future__ import annotations

import asyncio
import logging

import pytest

from claude_route.proxy import balances
from tests import clocks

BALANCE = balances.Balance({"day": 1.0}, 100)


class Books:
    """A Source, with what it is asked, and the balances that are taken over."""

    def __init__(self, patience: float = 5.0) -> None:
        self.clock = clocks.Clock()
        self.asked: list[tuple[str, float, float]] = []
        self.filled: list[str] = []
        self.is_there = True
        self.opened = asyncio.Event()
        self.opened.set()
        self.balances = balances.Balances(self.source, self.fill, self.clock, patience)

    async def source(self, client: str, before: float, now: float) -> balances.Balance | None:
        self.asked.append((client, before, now))
        await self.opened.wait()
        if not self.is_there:
            raise ConnectionError("ledger.db doesn't answer")
        return BALANCE

    def fill(self, client: str, dollars: object, tokens: int) -> None:
        assert (dollars, tokens) == BALANCE
        self.filled.append(client)


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_client_is_asked_for_once() -> None:
    books = Books()
    started = books.clock.now
    books.balances.ask(["alice"])
    books.clock.now += 9
    await turn()
    await asyncio.gather(*(books.balances.wait(name) for name in ("alice", "bob", "bob")))
    await books.balances.wait("alice")
    assert books.asked == [("alice", started, started + 9), ("bob", started, started + 9)]
    assert books.filled == ["alice", "bob"]


async def test_first_requests_wait() -> None:
    books = Books()
    books.opened.clear()
    waiting = [asyncio.create_task(books.balances.wait("alice")) for _ in range(3)]
    await turn()
    waiting[0].cancel()  # its client has left
    await turn()
    assert not any(task.done() for task in waiting[1:])
    books.opened.set()
    await asyncio.gather(*waiting[1:])
    assert books.filled == ["alice"]


async def test_but_not_for_ever() -> None:
    books = Books(patience=0.01)
    books.opened.clear()
    await books.balances.wait("alice")
    assert not books.filled
    books.opened.set()
    await turn()
    assert books.filled == ["alice"], "better late than never"


async def test_a_ledger_that_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    books = Books()
    books.is_there = False
    for name in ("alice", "bob", "alice"):
        await books.balances.wait(name)
    assert [name for name, _, _ in books.asked] == ["alice", "bob"]
    assert caplog.messages == [
        "ledger.db doesn't answer: until it does, budgets leave out what was used before"
    ]
    books.is_there = True
    books.clock.now += balances.AGAIN
    books.opened.clear()
    await books.balances.wait("alice")  # waits no longer
    books.opened.set()
    await turn()
    assert books.filled == ["alice"]
    assert caplog.messages[1:] == ["What alice has used before is known now"]
    assert books.asked[-1][1] < books.asked[-1][2]


async def test_without_a_ledger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = balances.Balances(balances.nobody, Books().fill, clocks.Clock())
    for name in ("alice", "bob"):
        await made.wait(name)
    assert caplog.messages == ["Without a ledger, budgets begin again whenever the proxy starts"]
