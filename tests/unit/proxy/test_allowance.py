from __future__ import annotations

import json

import pytest
from mitmproxy import http

from claude_route import targets
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.profile import clients
from claude_route.profile import limits
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.proxy import allowance
from claude_route.proxy import gate
from claude_route.routing import budgets
from tests import clocks
from tests.unit import flows

PROFILE = """
providers: {zai: {base_url: "http://127.0.0.1:1"}}
models: {mystery: zai/nobody-knows}
"""
DAY = limits.Limits(caps=(limits.Cap("day", 10),))
LISTED = prices.Prices(patterns.Table({}), price.Price(1e6, 1e6, 1e6, 1e6, 1e6))
"""A token costs a dollar."""
BODY = {"model": "mystery", "max_tokens": 3, "messages": []}


def target() -> targets.Target:
    found = profiles.parse(PROFILE, {}, "p.yaml").target("mystery")
    assert found
    return found


class Setting:
    def __init__(self, within: limits.Limits = DAY, on_budget: str | None = None) -> None:
        self.clock = clocks.Clock()
        self.client = clients.Client("alice", (), limits=within, on_budget=on_budget)
        self.gate = gate.Gate(clock=self.clock, patience=0.01)

    def allowance(self) -> allowance.Allowance:
        request = requests.read(json.dumps(BODY).encode())
        return allowance.Allowance(self.gate, self.client, request, LISTED, self.clock)

    @property
    def used(self) -> float:
        standing = self.gate.counters.standing("alice", DAY, self.clock())
        assert standing
        return standing.used


def shown(made: allowance.Allowance) -> http.Headers:
    response = http.Response.make(200, b"", {"anthropic-ratelimit-unified-5h-status": "allowed"})
    made.show(response)
    return response.headers


async def test_from_the_question_to_the_settlement() -> None:
    setting = Setting()
    for used, share in ((4, "0"), (6, "0.4")):
        made = setting.allowance()
        assert await made.ask([target()], must=False) is None
        headers = shown(made)
        assert headers["anthropic-ratelimit-unified-overage-utilization"] == share
        assert "anthropic-ratelimit-unified-5h-status" not in headers
        assert allowance.INSTEAD_HEADER not in headers
        made.settle(target(), flows.Progress(usage.Usage(1, used - 1), used - 1))
        made.settle(target(), flows.Progress(usage.Usage(100, 100), 100))
    assert setting.used == 10
    made = setting.allowance()
    refused = await made.ask([target()], must=False)
    assert refused and refused.status_code == 429
    assert made.other is None
    made.settle(target(), None)
    assert setting.used == 10


async def test_without_limits_use_is_counted_for_later() -> None:
    setting = Setting(limits.NONE)
    made = setting.allowance()
    assert await made.ask([target()], must=False) is None
    assert "anthropic-ratelimit-unified-status" not in shown(made)
    made.settle(target(), flows.Progress(usage.Usage(1, 2), 2))
    assert setting.used == 3


@pytest.mark.parametrize(
    ("within", "spent", "expected"),
    [
        (DAY, budgets.Amount(10, 0), "glm"),
        (limits.Limits(tokens_per_day=5), budgets.Amount(0, 5), None),
        (limits.Limits(1), budgets.NOTHING, None),
    ],
)
async def test_when_another_model_may_answer(
    within: limits.Limits, spent: budgets.Amount, expected: str | None
) -> None:
    setting = Setting(within, on_budget="glm")
    setting.gate.settle(setting.client, budgets.NOTHING, spent)
    if within.requests_per_minute:
        await setting.allowance().ask([target()], must=False)
    made = setting.allowance()
    assert await made.ask([target()], must=False)
    assert made.other == expected


async def test_another_model_answers() -> None:
    setting = Setting(on_budget="glm")
    setting.gate.settle(setting.client, budgets.NOTHING, budgets.Amount(12, 0))
    made = setting.allowance()
    await made.ask([target()], must=False)
    await made.ask_instead([target()])
    assert made.why == "alice has used up the day's budget of $10.00 ($12.00 used)"
    assert shown(made)[allowance.INSTEAD_HEADER] == "glm"
    made.settle(target(), flows.Progress(usage.Usage(1, 2), 2))
    assert setting.used == 15


async def test_what_is_under_way_may_use_up_the_rest() -> None:
    setting = Setting(on_budget="glm")
    assert await setting.allowance().ask([target()], must=False) is None
    made = setting.allowance()
    refused = await made.ask([target()], must=False)
    assert refused and b"rate_limit_error" in (refused.content or b"")
    assert made.other == "glm"
    assert made.why.startswith("alice may use up the day's budget of $10.00")
