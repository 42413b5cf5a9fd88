"""Clients' budgets and limits, where people see them: in a browser, at the command line, and in Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests import redis_server
from tests.wire import chromium
from tests.wire import command
from tests.wire import proxies
from tests.wire import test_clients as clients

Start = Callable[..., proxies.Proxy]

LIMITS: dict[str, dict[str, Any]] = {
    "alice": {"budget": {"day": 1, "week": 60}, "requests_per_minute": 60},
    "bob": {"tokens_per_day": 5_000_000, "budget": {"month": 20}},
}


def profile(url: str, **changes: Any) -> dict[str, Any]:
    return clients.profile(url, LIMITS, prices=clients.PRICES, **changes)


@pytest.fixture
def redis() -> Iterator[redis_server.Redis]:
    server = redis_server.Redis()
    yield server
    server.close()


def spend(sim: simulator.Simulator, proxy: proxies.Proxy, key: str, count: int) -> None:
    sim.default(answers.Answer(usage=clients.USED))
    with clients.client_of(proxy, key) as client:
        for _ in range(count):
            assert clients.ask(client).status_code == 200


@pytest.fixture
def team(sim: simulator.Simulator, start: Start) -> proxies.Proxy:
    proxy = start(profile(sim.url), behind=sim.url, environ={"PROXY_STATIC_TOKEN": clients.STATIC})
    spend(sim, proxy, clients.ALICE, 2)
    spend(sim, proxy, clients.BOB, 1)
    return proxy


def limits(proxy: proxies.Proxy, key: str) -> dict[tuple[str, str], tuple[float, float]]:
    with clients.client_of(proxy, key) as client:
        rows = client.get("/usage", params={"by": "client"}).json()["limits"]
    return {(row["client"], row["period"]): (row["used"], row["limit"]) for row in rows}


def test_who_sees_which(team: proxies.Proxy, tmp_path: Path) -> None:
    own = {("alice", "day"): (1, 1), ("alice", "week"): (1, 60), ("alice", "minute"): (2, 60)}
    bobs = {("bob", "day"): (20, 5_000_000), ("bob", "month"): (0.5, 20)}
    assert limits(team, clients.ALICE) == own
    assert limits(team, clients.STATIC) == {**own, **bobs}
    with clients.client_of(team, clients.STATIC) as client:
        assert [row["client"] for row in client.get("/status").json()["over"]] == ["alice"]
        metrics = client.get("/metrics").text
    assert 'claude_route_client_spent_dollars{client="alice",period="day"} 1.0' in metrics
    assert 'claude_route_client_tokens_today{client="bob"} 20.0' in metrics
    with clients.client_of(team, clients.BOB) as client:
        assert client.get("/status").json()["over"] == []

    typed = command.in_clone(tmp_path)
    typed.environ["PROXY_STATIC_TOKEN"] = clients.STATIC
    shown = typed.printed("usage", "--url", team.url)
    assert re.search(r"alice +budget a day +\$1\.00 of \$1\.00 +100 % +until \d{4}-", shown)
    assert re.search(r"bob +tokens a day +20 of 5\.0M +0 %", shown)
    assert "Over their limits: alice ($1.00 a day" in typed.printed("status", "--url", team.url)


@redis_server.needs_redis
def test_what_others_have_counted(
    sim: simulator.Simulator, start: Start, redis: redis_server.Redis
) -> None:
    made = profile(sim.url, store=redis.url)
    environ = {"PROXY_STATIC_TOKEN": clients.STATIC}
    first, second = (start(made, behind=sim.url, environ=environ) for _ in range(2))
    spend(sim, first, clients.ALICE, 2)
    # They listen before they are connected to Redis.
    deadline = time.monotonic() + proxies.PATIENCE
    while limits(second, clients.ALICE)["alice", "week"] != (1, 60):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert limits(second, clients.ALICE)["alice", "day"] == (1, 1)
    with clients.client_of(second, clients.STATIC) as client:
        assert [row["client"] for row in client.get("/status").json()["over"]] == ["alice"]
        spent = 'claude_route_client_spent_dollars{client="alice",period="week"} 1.0'
        assert spent in client.get("/metrics").text
    redis.stop()
    for proxy in (first, second):
        assert limits(proxy, clients.ALICE)["alice", "day"] == (1, 1)


def test_in_a_browser(team: proxies.Proxy, page: chromium.Page) -> None:
    def open_page(path: str, *size: tuple[int, int], dark: bool = False) -> int:
        return page.open(f"{team.url}{path}", *size, dark=dark, password=clients.STATIC)

    assert open_page("/usage") == 200
    page.screenshot("usage-limits", whole=True)
    assert len(page.texts("section[aria-labelledby=limits] tbody tr")) == 5
    first = page.text("section[aria-labelledby=limits] tbody tr:nth-child(1)")
    assert "alice" in first and "$1.00 a day" in first and "100 %" in first
    assert page.complaints() == []
    for dark in (False, True):
        open_page("/usage", chromium.PHONE, dark=dark)
        page.screenshot(f"usage-limits-phone{'-dark' if dark else ''}", whole=True)
        assert page.evaluate("document.documentElement.scrollWidth") == chromium.PHONE[0]
    open_page("/status", chromium.PHONE, dark=True)
    page.screenshot("status-over-phone-dark")
    assert page.evaluate("document.documentElement.scrollWidth") == chromium.PHONE[0]
    assert "Over their limits: alice ($1.00 a day, until" in page.text()
