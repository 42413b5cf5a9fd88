from __future__ import annotations

import pytest
from mitmproxy import http

from claude_route.profile import profiles
from claude_route.proxy import learning
from claude_route.proxy import sender
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import failures
from claude_route.routing import lessons
from claude_route.routing import plan
from claude_route.routing import verdict
from tests import clocks
from tests.unit import states

PROFILE = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai, api_key: x}
models: {claude-*: anthropic/claude-*, glm: zai/glm-5}
pool: {tokens: "sk-ant-oat01-pool-0000000001-pol1,sk-ant-oat01-pool-0000000002-pol2"}
"""
MODEL, GLM = "claude-opus-5-5", "zai/glm-5"
ALONE = sender.Sender(None, None)


class Setting:
    def __init__(self, *, counts_tokens: bool = False) -> None:
        self.clock = clocks.Clock()
        self.state: state.State = states.state_of(profiles.parse(PROFILE, {}, "p.yaml"), self.clock)
        self.learning = learning.Learning(self.state, ALONE, counts_tokens=counts_tokens)

    def step(self, model: str = MODEL) -> plan.Step:
        target = self.state.profile.target(model)
        assert target
        return plan.Step(target, self.state.pool.tokens[0] if model == MODEL else None)

    def succeeded(
        self, model: str, *refused: lessons.Lesson, session: str = "s1"
    ) -> learning.Learnt:
        return self.learning.succeeded(
            self.step(model), list(refused), session=session, size=4000, asked=self.clock.now
        )

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.state.pool.status()]


def outcome(target: str, status: int = 0, **headers: str) -> verdict.Outcome:
    return verdict.Outcome(
        target=target,
        credential="pool" if status else "provider",
        anthropic=bool(status),
        kind=failures.Kind.STATUS if status else failures.Kind.CONNECT,
        detail="",
        status=status,
        headers=headers,
        body=b"",
    )


def test_a_limit_rests_the_token() -> None:
    setting = Setting()
    limited = outcome(f"anthropic/{MODEL}", 429, **{"retry-after": "60"})
    effects = setting.learning.failed(setting.step(), limited, verdict.judge(limited))
    assert effects
    assert setting.states == ["resting", "available"]


def test_an_outage_counts_once_for_a_request() -> None:
    setting = Setting()
    gone = outcome(GLM)
    for _ in range(breaker.FAILURES):
        effects = setting.learning.failed(setting.step("glm"), gone, verdict.judge(gone))
        assert effects == []
    assert not setting.state.breaker.is_open(GLM, ALONE.party)
    for _ in range(breaker.FAILURES - 1):
        other = learning.Learning(setting.state, ALONE, counts_tokens=False)
        other.failed(setting.step("glm"), gone, verdict.judge(gone))
    assert setting.state.breaker.is_open(GLM, ALONE.party)
    setting.succeeded("glm")
    assert not setting.state.breaker.is_open(GLM, ALONE.party)


def test_what_a_target_refuses_is_learnt_once_it_answers_without() -> None:
    setting = Setting()
    lesson = lessons.Lesson("temperature")
    assert setting.succeeded("glm").lessons == []
    assert setting.succeeded("glm", lesson).lessons == [lesson]
    assert setting.succeeded("glm", lesson).lessons == []


@pytest.mark.parametrize("counts_tokens", [False, True])
def test_an_answer_ends_a_rest(counts_tokens: bool) -> None:
    setting = Setting(counts_tokens=counts_tokens)
    setting.state.pool.learn(setting.state.pool.tokens[0], 429, {"retry-after": "60"})
    setting.clock.now += 1
    assert setting.succeeded(MODEL).is_awake is not counts_tokens
    assert setting.states[0] == ("resting" if counts_tokens else "available")


@pytest.mark.parametrize(("status", "used"), [(200, 0.42), (429, None)])
def test_the_head_of_an_answer_tells_how_much_is_used(status: int, used: float | None) -> None:
    setting = Setting()
    unified = "anthropic-ratelimit-unified-5h-"
    reset = f"{setting.clock.now + 3600:.0f}"
    headers = {f"{unified}utilization": "0.42", f"{unified}reset": reset}
    setting.learning.began(setting.step(), http.Response.make(status, b"", headers))
    assert setting.state.pool.status()[0].five_hour == used
