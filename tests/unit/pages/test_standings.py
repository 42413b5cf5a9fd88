from __future__ import annotations

import asyncio
import datetime

import pytest

from claude_route.access import clients
from claude_route.pages import standings
from claude_route.profile import profiles
from claude_route.proxy import balances
from claude_route.proxy import gate
from claude_route.proxy import state
from claude_route.routing import budgets
from tests.unit import states
from tests.unit.pages import viewers

NOON = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC).timestamp()  # a Saturday
KEY = "sha256:" + "{:064x}"

PROFILE = f"""
providers: {{zai: {{base_url: "http://127.0.0.1:1"}}}}
models: {{glm: zai/glm-5}}
clients:
  free: {{key: "{KEY.format(1)}"}}
  alice: {{key: "{KEY.format(2)}", budget: {{day: 20, month: 300}}, requests_per_minute: 60}}
  bob: {{key: "{KEY.format(3)}", tokens_per_day: 5000000}}
  zoe: {{key: "{KEY.format(4)}", budget: {{week: 10}}, admin: true}}
"""


def in_force(source: balances.Source = balances.nobody) -> state.State:
    made = states.state_of(profiles.parse(PROFILE, {}, "p.yaml"), lambda: NOON)
    gates = gate.Gate(clock=lambda: NOON, source=source)
    return state.State(**{**vars(made), "gate": gates})


def use(shared: state.State, client: str, dollars: float, tokens: int = 1) -> None:
    amount = budgets.Amount(dollars, tokens)
    shared.gate.counters.settle(client, budgets.NOTHING, amount, NOON)


async def test_rows() -> None:
    shared = in_force()
    use(shared, "alice", 2, 100)
    use(shared, "bob", 50, 6_000_000)
    entry = shared.profile.clients["alice"]
    await shared.gate.admit(entry, budgets.Amount(0.5, 1000))
    sunday, december = NOON + 12 * 3600, NOON + 60 * 3600
    assert standings.rows(shared) == [
        standings.Row("bob", "tokens", "day", 6_000_000, 0, 5_000_000, sunday),
        standings.Row("alice", "dollars", "day", 2, 0.5, 20, sunday),
        standings.Row("alice", "dollars", "month", 2, 0.5, 300, december),
        standings.Row("alice", "requests", "minute", 1, 0, 60, None),
        standings.Row("zoe", "dollars", "week", 0, 0, 10, NOON + 36 * 3600),
    ]


@pytest.mark.parametrize(
    ("name", "seen"),
    [("alice", ["alice"]), ("free", []), ("zoe", ["alice", "bob", "zoe"])],
)
def test_a_client_sees_its_own(name: str, seen: list[str]) -> None:
    shared = in_force()
    viewer = clients.Client(name, "header", shared.profile.clients[name])
    assert sorted({row.client for row in standings.rows(shared, viewer)}) == seen
    everything = standings.rows(shared)
    assert standings.rows(shared, viewers.SHARED) == everything


def row(
    unit: str = "dollars", used: float = 1, limit: float = 20, period: str = "day"
) -> standings.Row:
    resets = None if unit == "requests" else NOON + 12 * 3600
    return standings.Row("alice", unit, period, used, 0, limit, resets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "allowed", "used", "is_over"),
    [
        (row(), "$20.00 a day", "$1.00", False),
        (row(used=0, period="week"), "$20.00 a week", "$0.00", False),
        (row(used=20), "$20.00 a day", "$20.00", True),
        (row("tokens", 5_100_000, 5_000_000), "5.0M tokens a day", "5.1M", True),
        (row("requests", 60, 60, "minute"), "60 requests a minute", "60", False),
    ],
)
def test_words(shown: standings.Row, allowed: str, used: str, is_over: bool) -> None:
    assert standings.allowed(shown) == allowed
    assert standings.in_unit(shown, shown.used) == used
    assert shown.is_over is is_over
    assert standings.begins_again(shown) == ("" if shown.unit == "requests" else "Nov 29, 00:00")


def test_one_line() -> None:
    over = standings.Row("alice", "dollars", "day", 20, 0, 20, NOON + 12 * 3600)
    assert standings.in_words([]) == ""
    assert standings.in_words([over]) == "alice ($20.00 a day, until Nov 29, 00:00 UTC)"
    many = standings.in_words([over] * (standings.NAMED + 3))
    assert many.count("alice") == standings.NAMED
    assert many.endswith(" and 3 more")


def test_json() -> None:
    over = standings.Row("alice", "dollars", "day", 20, 0.5, 20, NOON + 12 * 3600)
    rate = standings.Row("alice", "requests", "minute", 2, 0, 60, None)
    shown = standings.to_json([over, rate])
    assert shown[0] == {
        "client": "alice",
        "unit": "dollars",
        "period": "day",
        "used": 20,
        "reserved": 0.5,
        "limit": 20,
        "resets": "2026-11-29T00:00:00Z",
    }
    assert shown[1]["resets"] is None


async def test_what_was_used_before_the_start() -> None:
    async def source(client: str, before: float, now: float) -> balances.Balance:
        return balances.Balance({"day": 4, "week": 4, "month": 40}, 7)

    shared = in_force(source)
    await standings.learn(shared)
    used = {(row.client, row.period): row.used for row in standings.rows(shared)}
    assert used == {
        ("alice", "day"): 4,
        ("alice", "month"): 40,
        ("alice", "minute"): 0,
        ("bob", "day"): 7,
        ("zoe", "week"): 4,
    }


async def test_nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def source(client: str, before: float, now: float) -> balances.Balance | None:
        await asyncio.sleep(3600)
        return None

    monkeypatch.setattr(gate, "LOOK", 0.01)
    shared = in_force(source)
    async with asyncio.timeout(2):
        await standings.learn(shared)
    assert {row.used for row in standings.rows(shared)} == {0}
