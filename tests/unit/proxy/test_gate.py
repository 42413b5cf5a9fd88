from __future__ import annotations

import asyncio

import pytest

from claude_route.profile import clients
from claude_route.profile import limits
from claude_route.proxy import gate
from claude_route.routing import budgets
from tests import clocks

ALICE = clients.Client("alice", (), limits=limits.Limits(caps=(limits.Cap("day", 10),)))
BOB = clients.Client("bob", (), limits=ALICE.limits)
MOST = budgets.Amount(6, 100)


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def new(patience: float = gate.PATIENCE) -> gate.Gate:
    return gate.Gate(clock=clocks.Clock(), patience=patience)


async def test_requests_wait_behind_each_other() -> None:
    gates, order = new(), list[str]()

    async def ask(name: str) -> None:
        decision = await gates.admit(ALICE, MOST)
        order.append(f"{name} {decision.refusal}")

    await ask("1")
    await ask("2")
    tasks = [asyncio.create_task(ask(name)) for name in ("3", "4", "5", "6")]
    await turn()
    assert order == ["1 None", "2 None"]
    assert (await gates.admit(BOB, MOST)).refusal is None, "another client waits for nobody"
    gates.settle(ALICE, MOST, budgets.Amount(1, 10))
    await turn()
    assert order[2:] == ["3 None"]
    tasks[1].cancel()  # its client has left
    await turn()
    gates.settle(ALICE, MOST, budgets.Amount(1, 10))
    await turn()
    assert order[3:] == ["5 None"]
    for _ in range(2):
        gates.settle(ALICE, MOST, budgets.Amount(5, 10))
    await turn()
    assert order[4:] == ["6 use"]
    assert all(task.done() for task in tasks)


async def test_nobody_overtakes_those_who_wait() -> None:
    gates = new()
    for _ in range(2):
        await gates.admit(ALICE, MOST)
    waiting = [asyncio.create_task(gates.admit(ALICE, MOST)) for _ in range(2)]
    await turn()
    gates.settle(ALICE, MOST, budgets.NOTHING)
    late = asyncio.create_task(gates.admit(ALICE, MOST))
    await turn()
    assert [task.done() for task in (*waiting, late)] == [True, False, False]
    assert (await gates.admit(ALICE, MOST, must=True)).refusal is None
    for task in (*waiting, late):
        task.cancel()


async def test_patience_ends() -> None:
    gates = new(patience=0.02)
    for _ in range(2):
        await gates.admit(ALICE, MOST)
    decisions = await asyncio.gather(*(gates.admit(ALICE, MOST) for _ in range(3)))
    assert [decision.refusal for decision in decisions] == ["busy"] * 3
    assert all(decision.standing for decision in decisions)


class Elsewhere(budgets.Book):
    """Requests at another instance settle without a word to this one."""

    async def reserve(
        self,
        client: str,
        within: limits.Limits,
        most: budgets.Amount,
        now: float,
        *,
        must: bool = False,
    ) -> budgets.Decision:
        await asyncio.sleep(0)
        return self.decide(client, within, most, now, must=must)


async def test_other_instances_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "POLL", 0.01)
    book = Elsewhere()
    gates = gate.Gate(book, clock=clocks.Clock())
    for _ in range(2):
        await gates.admit(ALICE, MOST)
    waiting = asyncio.create_task(gates.admit(ALICE, MOST))
    await turn()
    book.settle("alice", MOST, budgets.NOTHING, gates.clock())
    async with asyncio.timeout(5):
        assert (await waiting).refusal is None


def test_what_was_used_before_the_start() -> None:
    gates = new()
    gates.fill("alice", {"day": 9, "week": 50}, 1000)
    standing = gates.counters.standing("alice", ALICE.limits, gates.clock())
    assert standing and standing.used == 9


async def test_a_look_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(budgets.Book):
        async def look(self, clients: object, now: float) -> None:
            await asyncio.sleep(3600)

    monkeypatch.setattr(gate, "LOOK", 0.01)
    async with asyncio.timeout(5):
        await gate.Gate(Silent(), clock=clocks.Clock()).look([ALICE])


async def test_a_look_at_how_clients_stand() -> None:
    gates = new()
    await gates.admit(ALICE, MOST)
    gates.settle(ALICE, budgets.NOTHING, budgets.Amount(1, 10))
    await gates.look([ALICE, BOB])
    overview = gates.overview(ALICE)
    assert [each.used for each in overview.standings] == [1]
    assert overview.reserved == MOST
    assert gates.overview(BOB).reserved == budgets.NOTHING


async def test_who_heeds_no_refusal_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds, 3))

    gates, clock = new(), clocks.Clock()
    gates.clock = clock
    gates.settle(ALICE, budgets.NOTHING, budgets.Amount(10, 10))
    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def refused(times: int) -> list[float]:
        waits.clear()
        for _ in range(times):
            assert (await gates.admit(ALICE, MOST)).refusal == "use"
        return list(waits)

    assert await refused(gate.REFUSALS) == []
    assert await refused(3) == [0.1, 0.2, 0.3]
    assert (await gates.admit(BOB, MOST)).refusal is None
    clock.now += 1
    assert await refused(8) == [0.1], "one in 0.1 s"
    clock.now += 60
    assert await refused(gate.REFUSALS) == []
    assert (await refused(100))[-1] == gate.LONGEST
