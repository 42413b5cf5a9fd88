from __future__ import annotations

import json

import pytest
from mitmproxy import http

from claude_route.access import admissions
from claude_route.access import clients
from claude_route.dialects.messages import requests
from claude_route.profile import clients as profile_clients
from claude_route.profile import limits
from claude_route.profile import profiles
from claude_route.proxy import allowance
from claude_route.proxy import candidates
from claude_route.proxy import grants
from claude_route.routing import budgets
from tests.unit import states

PROFILE = """
providers:
  zai: {base_url: "http://127.0.0.1:1"}
  far: {base_url: "http://127.0.0.1:1", auth: bearer, api_key: "${FAR_KEY}"}
models: {dear: zai/dear, cheap: zai/cheap, unusable: far/x}
"""
DOLLARS = limits.Limits(caps=(limits.Cap("day", 10),))
TOKENS = limits.Limits(tokens_per_day=10)


class Setting:
    def __init__(self, within: limits.Limits, on_budget: str | None = None, used: int = 0) -> None:
        self.state = states.state_of(profiles.parse(PROFILE, {}, "p.yaml"))
        entry = profile_clients.Client("alice", (), limits=within, on_budget=on_budget)
        client = clients.Client("alice", "header", entry)
        admission = admissions.Admission(
            client=client,
            is_routed=True,
            is_reverse=True,
            rotates=True,
            secrets={},
            origin=("http", "proxy", 4000),
        )
        self.candidates = candidates.Candidates(self.state, admission, is_check=False)
        body = json.dumps({"model": "dear", "max_tokens": 3, "messages": []}).encode()
        prices, clock = self.state.profile.prices, self.state.gate.clock
        self.allowance = allowance.Allowance(
            self.state.gate, entry, requests.read(body), prices, clock
        )
        amount = budgets.Amount(used, used)
        self.state.gate.counters.settle("alice", budgets.NOTHING, amount, clock())

    async def ask(
        self, *, must: bool = False, is_heavy: bool = False
    ) -> grants.Grant | http.Response:
        wanted = grants.Grant(*self.candidates.find("dear"))
        return await grants.ask(
            self.allowance, self.candidates, wanted, must=must, is_heavy=is_heavy
        )


def names(grant: grants.Grant | http.Response) -> list[str]:
    assert isinstance(grant, grants.Grant)
    return [str(target) for target in grant.able]


@pytest.mark.parametrize("is_heavy", [False, True])
@pytest.mark.parametrize(
    ("within", "used", "must"),
    [(limits.NONE, 50, False), (DOLLARS, 9, False), (DOLLARS, 50, True), (TOKENS, 9, False)],
)
async def test_the_model_that_is_asked_for(
    within: limits.Limits, used: int, must: bool, is_heavy: bool
) -> None:
    grant = await Setting(within, "cheap" if within.caps else None, used).ask(
        must=must, is_heavy=is_heavy
    )
    assert names(grant) == ["zai/dear"]
    assert isinstance(grant, grants.Grant) and grant.instead == ""


async def test_another_model() -> None:
    grant = await Setting(DOLLARS, "cheap", 50).ask()
    assert names(grant) == ["zai/cheap"]
    assert isinstance(grant, grants.Grant)
    assert grant.instead == "alice has used up the day's budget of $10.00 ($50.00 used)"


@pytest.mark.parametrize(
    ("within", "on_budget"),
    [
        (DOLLARS, None),
        (DOLLARS, "unusable"),
        (DOLLARS, "gone"),
        # Another model's tokens are tokens too.
        (TOKENS, "cheap"),
    ],
)
async def test_a_refusal(within: limits.Limits, on_budget: str | None) -> None:
    grant = await Setting(within, on_budget, 50).ask()
    assert isinstance(grant, http.Response)
    assert grant.status_code == 429
