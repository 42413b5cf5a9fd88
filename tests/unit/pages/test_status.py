from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from claude_route.access import clients
from claude_route.pages import status
from claude_route.profile import clients as profile_clients
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import budgets
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from tests.clocks import Clock
from tests.unit import states

PROFILE = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai, auth: bearer, api_key: zai-key-0123456789}
  kimi: {base_url: https://api.kimi.com, auth: x-api-key, api_key: "${KIMI_API_KEY}"}
models:
  glm: zai/glm-5
  glm-again: zai/glm-5
  kimi: kimi/kimi-for-coding
  claude-*: anthropic/claude-*
pool:
  tokens: sk-ant-oat01-pool-0000000001-pol1, sk-ant-oat01-pool-0000000002-pol2
"""

type Row = status.Target


class Proxy:
    """The state that a status is taken of."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.profile = profiles.parse(PROFILE, {}, "test.yaml")
        self.pool = rotation.Pool(self.profile.pool.tokens, clock=self.clock)
        self.breaker = breaker.Breaker(self.clock)
        self.stats = stats.Stats(self.clock)
        self.lessons = lessons.Lessons(self.clock)
        self.state = state.State(self.profile, self.pool, self.breaker, self.stats, self.lessons)

    def status(self) -> status.Status:
        return status.status(self.state)

    def target(self, name: str) -> Row:
        return next(row for row in self.status().targets if row.name == name)

    def attempt(self, name: str, error: str = "") -> None:
        tally = self.stats.request("some")
        if error:
            tally.attempt_failed(name, error)
        else:
            tally.answered(name)
        tally.closed()
        self.clock.now += 1


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


def test_targets_before_any_request(proxy: Proxy) -> None:
    assert [(row.name, row.state, row.missing) for row in proxy.status().targets] == [
        ("anthropic/claude-*", "not asked", ()),
        ("kimi/kimi-for-coding", "unusable", ("KIMI_API_KEY",)),
        ("zai/glm-5", "not asked", ()),
    ]


def test_a_pattern_is_shown_until_one_of_its_models_is(proxy: Proxy) -> None:
    proxy.attempt("anthropic/claude-opus-5-5")
    proxy.attempt("anthropic/something-else")
    assert [row.name for row in proxy.status().targets] == [
        "anthropic/claude-opus-5-5",
        "anthropic/something-else",
        "kimi/kimi-for-coding",
        "zai/glm-5",
    ]


def test_state_of_a_target(proxy: Proxy) -> None:
    name = "zai/glm-5"
    proxy.attempt(name)
    assert proxy.target(name).state == "up"
    failed_at = proxy.clock.now
    proxy.attempt(name, "503")
    row = proxy.target(name)
    assert (row.state, row.attempts, row.failures) == ("failing", 2, 1)
    assert (row.last_error, row.last_error_at) == ("503", failed_at)
    proxy.attempt(name)
    row = proxy.target(name)
    assert (row.state, row.last_error) == ("up", "503")
    for _ in range(breaker.FAILURES):
        proxy.breaker.failed(name)
    assert proxy.target(name).state == "skipped"


def test_a_target_that_has_never_failed_has_no_last_error(proxy: Proxy) -> None:
    proxy.attempt("zai/glm-5")
    assert proxy.target("zai/glm-5").last_error_at is None


@pytest.mark.parametrize(
    ("models", "targets"),
    [
        (["glm"], ["zai/glm-5"]),
        (["claude-haiku-*"], ["anthropic/claude-haiku-5-5"]),
        (["*"], None),
        (None, None),
    ],
)
def test_what_a_client_sees(
    proxy: Proxy, models: list[str] | None, targets: list[str] | None
) -> None:
    """Its own requests; of what clients share, all that its models use."""
    for client, model, target in (
        ("alice", "glm", "zai/glm-5"),
        ("bob", "claude-route/glm", "zai/glm-5"),
        ("bob", "glm", "zai/glm-5"),
        ("", "claude-haiku-5-5", "anthropic/claude-haiku-5-5"),
        ("shared", "claude-opus-5-5", "anthropic/claude-opus-5-5"),
    ):
        tally = proxy.stats.request(model, client)
        tally.answered(target)
        proxy.stats.request(model, client, is_check=True).closed()
    table = patterns.Table(dict.fromkeys(models)) if models else None
    entry = profile_clients.Client("alice", (), table)
    seen = status.seen(proxy.state, clients.Client("alice", "header", entry))
    everything = proxy.status()
    assert [row.name for row in seen.targets] == (
        targets or [row.name for row in everything.targets]
    )
    for rows in (seen.models, seen.checks):
        assert [(row.name, row.requests) for row in rows] == [("glm", 1)]
    for rows in (everything.models, everything.checks):
        assert len(rows) == 4
        assert sum(row.requests for row in rows) == 5
    assert (seen.in_flight, everything.in_flight) == (1, 5)
    assert (seen.client, everything.client) == ("alice", None)
    assert seen.tokens == everything.tokens
    stranger = clients.Client("carol", "header", dataclasses.replace(entry, name="carol"))
    assert status.seen(proxy.state, stranger).models == ()
    admin = clients.Client("alice", "header", dataclasses.replace(entry, is_admin=True))
    for viewer in (None, admin, clients.Client("shared", "header")):
        assert status.seen(proxy.state, viewer) == everything


def test_who_is_over() -> None:
    profile = (
        PROFILE
        + f"""
clients:
  alice: {{key: "sha256:{"0" * 63}1", budget: {{day: 20}}, models: [glm]}}
  bob: {{key: "sha256:{"0" * 63}2", tokens_per_day: 10, requests_per_minute: 1}}
  carol: {{key: "sha256:{"0" * 63}3", budget: {{day: 200}}}}
"""
    )
    shared = states.state_of(profiles.parse(profile, {}, "p.yaml"))
    gates, entries = shared.gate, shared.profile.clients
    assert status.status(shared).over == ()
    for name in entries:
        gates.counters.settle(name, budgets.NOTHING, budgets.Amount(25, 100), gates.clock())
    assert [row.client for row in status.status(shared).over] == ["bob", "alice"]
    seen = {
        name: [row["client"] for row in json.loads(status.answer(shared, viewer).body)["over"]]
        for name, entry in entries.items()
        if (viewer := clients.Client(name, "header", entry))
    }
    assert seen == {"alice": ["alice"], "bob": ["bob"], "carol": []}


def test_json(proxy: Proxy) -> None:
    proxy.pool.rest(2, 600)
    tally = proxy.stats.request("glm")
    proxy.clock.now += 2
    tally.answered("zai/glm-5")
    tally.used(1000, 10, cached=900)
    value: dict[str, Any] = json.loads(status.to_json(proxy.status()))
    assert value["profile"] == "test"
    assert value["now"] - value["started_at"] == 2
    assert value["in_flight"] == 1
    assert value["pool"]["mode"] == "rotate"
    assert value["pool"]["strategy"] == "session"
    assert value["pool"]["tokens"][1] == {
        "place": 2,
        "label": "token 2 …pol2",
        "kind": "oauth",
        "state": "resting",
        "wait": 598.0,
        "families": {},
        "five_hour": None,
        "seven_day": None,
        "sessions": 0,
        "requests": 0,
        "reason": "by hand",
    }
    assert value["targets"][2]["name"] == "zai/glm-5"
    assert value["models"] == [
        {
            "name": "glm",
            "requests": 1,
            "errors": 0,
            "per_minute": 1.0,
            "first_byte": {"p50": 2.0, "p95": 2.0, "of": 1},
            "tokens": {"in": 1000, "cached": 900, "out": 10},
        }
    ]


def test_no_secret_is_shown(proxy: Proxy) -> None:
    shown = status.to_json(proxy.status()).decode() + repr(proxy.status())
    for secret in (*proxy.profile.pool.tokens, "zai-key-0123456789"):
        assert secret not in shown
        assert secret[:-4] not in shown


def test_what_a_target_refuses(proxy: Proxy) -> None:
    glm = proxy.profile.target("glm")
    assert glm
    proxy.lessons.learn(glm, [lessons.Lesson("thinking"), lessons.Lesson("reasoning_effort")])
    old = glm._replace(provider=dataclasses.replace(glm.provider, base_url="http://old.example"))
    proxy.lessons.learn(old, [lessons.Lesson("temperature")])
    assert proxy.target("zai/glm-5").left_out == ("reasoning_effort", "thinking")
    proxy.clock.now += lessons.LIFETIME
    assert proxy.target("zai/glm-5").left_out == ()


def test_checks_of_tool_calls(proxy: Proxy) -> None:
    proxy.stats.request("sonnet", is_check=True).closed()
    value: dict[str, Any] = json.loads(status.to_json(proxy.status()))
    assert value["models"] == []
    assert [(row["name"], row["requests"]) for row in value["checks"]] == [("sonnet", 1)]
