from __future__ import annotations

import pytest

from claude_route import explain
from claude_route.dialects import error_body
from claude_route.profile import clients
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import plan
from claude_route.routing import quota
from claude_route.routing import rotation
from tests.clocks import Clock

PROFILE = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai/api/anthropic, auth: bearer, api_key: zai-key-0123456789}
  kimi: {base_url: https://api.kimi.com, auth: x-api-key, api_key: "${KIMI_API_KEY}"}
  ollama: {base_url: "http://127.0.0.1:11434"}
models:
  glm: zai/glm-5
  glm-again: zai/glm-5
  kimi: kimi/kimi-for-coding
  local: ollama/qwen
  claude-*: anthropic/claude-*
fallbacks:
  claude-*: [kimi, glm, glm-again, local]
pool:
  tokens: ${TOKENS:-}
"""

TOKENS = "sk-ant-oat01-pool-0000000001-pol1,sk-ant-oat01-pool-0000000002-pol2"


class Proxy:
    def __init__(self, **environ: str) -> None:
        self.clock = Clock()
        self.profile = profiles.parse(PROFILE, environ, "test.yaml")
        self.pool = rotation.Pool(self.profile.pool.tokens, clock=self.clock)
        self.breaker = breaker.Breaker(self.clock)
        self.lessons = lessons.Lessons(self.clock)

    def explain(self, model: str) -> str:
        return explain.route(self.profile, self.pool, self.breaker, self.lessons, model)


def test_pool_and_fallbacks() -> None:
    proxy = Proxy(TOKENS=TOKENS)
    proxy.pool.rest(2, 2820)
    assert proxy.explain("claude-opus-5-5").splitlines() == [
        "claude-opus-5-5 goes to these targets, with at most 4 attempts in all:",
        "1. anthropic/claude-opus-5-5 at https://api.anthropic.com, with the tokens of the pool in "
        "turn",
        "   token 1 …pol1: available",
        "   token 2 …pol2: rests for 47 min (by hand)",
        "2. zai/glm-5 at https://api.z.ai/api/anthropic, with the provider's key",
        "3. ollama/qwen at http://127.0.0.1:11434, with no credential",
        "-  kimi is kimi/kimi-for-coding: KIMI_API_KEY is not set",
        "-  glm-again is zai/glm-5, which is listed above",
    ]


def test_a_token_that_rests_for_some_models() -> None:
    proxy = Proxy(TOKENS=TOKENS)
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-7d_opus-status": "rejected",
        "anthropic-ratelimit-unified-7d_opus-reset": str(int(proxy.clock.now) + 7200),
        "anthropic-ratelimit-unified-representative-claim": "seven_day_opus",
    }
    effects = proxy.pool.learn(proxy.pool.tokens[0], 429, headers, model="claude-opus-5-5")
    assert [effect.family for effect in effects if isinstance(effect, quota.Rest)] == ["opus"]
    assert "token 1 …pol1: rests for 2 h" in proxy.explain("claude-opus-5-5")
    assert "token 1 …pol1: available" in proxy.explain("claude-haiku-5")


def test_a_token_out_of_use() -> None:
    proxy = Proxy(TOKENS=TOKENS)
    revoked = revoke(proxy)
    assert f"token 1 …pol1: disabled ({revoked})" in proxy.explain("claude-opus-5-5")


def revoke(proxy: Proxy) -> str:
    fault = error_body.Fault("permission_error", "OAuth token has been revoked.")
    [effect] = proxy.pool.learn(proxy.pool.tokens[0], 403, {}, fault)
    return effect.reason


@pytest.mark.parametrize(
    "environ,credential",
    [
        ({}, "the client's own credential, because the pool is empty"),
        (
            {"TOKENS": TOKENS, "CLAUDE_TOKEN_MODE": "passthrough"},
            "the client's own credential, unless the request asks to rotate",
        ),
    ],
)
def test_the_clients_own_credential(environ: dict[str, str], credential: str) -> None:
    explained = Proxy(**environ).explain("claude-opus-5-5")
    assert f"1. anthropic/claude-opus-5-5 at https://api.anthropic.com, with {credential}" in (
        explained.splitlines()
    )
    assert "token 1" not in explained


def test_a_target_that_is_skipped() -> None:
    proxy = Proxy()
    for _ in range(breaker.FAILURES):
        proxy.breaker.failed("anthropic/claude-opus-5-5")
        proxy.breaker.failed("ollama/qwen")
    lines = proxy.explain("claude-opus-5-5").splitlines()
    assert lines[2] == "   has failed repeatedly: skipped for now"
    assert "tried anyway" in lines[5]


def test_attempts_that_are_used_up() -> None:
    text = PROFILE + "\nmax_attempts: 1"
    proxy = Proxy()
    proxy.profile = profiles.parse(text, {"KIMI_API_KEY": "kimi-key"}, "test.yaml")
    lines = proxy.explain("claude-opus-5-5").splitlines()
    assert lines[2:4] == [
        "2. kimi/kimi-for-coding at https://api.kimi.com, with the provider's key",
        "   not tried: the attempts are used up before",
    ]


def test_a_pool_of_which_no_token_is_available() -> None:
    proxy = Proxy(TOKENS=TOKENS)
    proxy.pool.rest(1, 600)
    proxy.pool.rest(2, 600)
    lines = proxy.explain("claude-opus-5-5").splitlines()
    assert lines[2] == "   not tried now: no token is available"
    assert lines[5].startswith("2. zai/glm-5")
    assert "not tried" not in lines[6]


def test_it_takes_no_turn_of_the_pool() -> None:
    proxy = Proxy(TOKENS=TOKENS)
    turns = []
    for _ in range(4):
        proxy.explain("claude-opus-5-5")
        token = proxy.pool.pick()
        assert token
        turns.append(token.place)
    assert turns == [1, 2, 1, 2]


@pytest.mark.parametrize("down", [(), ("zai/glm-5",), ("anthropic/claude-opus-5-5", "zai/glm-5")])
def test_it_explains_what_a_plan_does(down: tuple[str, ...]) -> None:
    proxy = Proxy(TOKENS=TOKENS)
    for _ in range(breaker.FAILURES):
        for name in down:
            proxy.breaker.failed(name)
    model = "claude-opus-5-5"
    target = proxy.profile.target(model)
    assert target
    attempts = plan.Plan(
        [target, *proxy.profile.fallback_targets(model)],
        pool=proxy.pool,
        is_down=lambda target: proxy.breaker.is_open(str(target)),
        session=None,
        max_attempts=proxy.profile.max_attempts,
    )
    made = []
    while step := attempts.next():
        made.append(str(step.target))
    lines = proxy.explain(model).splitlines()
    numbered = [index for index, line in enumerate(lines) if line[0].isdigit()]
    explained = [
        lines[index].split()[1]
        for index in numbered
        if "skipped" not in lines[index + 1] and "not tried" not in lines[index + 1]
    ]
    assert explained == list(dict.fromkeys(made))


def test_a_model_that_cannot_be_used() -> None:
    explained = Proxy().explain("kimi")
    assert explained.startswith(
        "kimi stands for kimi/kimi-for-coding, which can't be used: KIMI_API_KEY is not set."
    )


def test_an_unknown_model() -> None:
    explained = Proxy().explain("gpt")
    assert explained.startswith("gpt is not one of the models of profile test: glm, glm-again")
    assert "404" in explained


def test_no_secret_is_shown() -> None:
    explained = Proxy(TOKENS=TOKENS).explain("claude-opus-5-5")
    assert "sk-ant" not in explained
    assert "zai-key" not in explained


def test_what_a_target_refuses() -> None:
    proxy = Proxy()
    target = proxy.profile.target("glm")
    assert target
    particular = lessons.Lesson("thinking", b"settings")
    proxy.lessons.learn(target, [lessons.Lesson("reasoning_effort"), particular])
    proxy.clock.now += 3600
    assert proxy.explain("glm").splitlines()[2:] == [
        "   reasoning_effort is left out for another 5 h",
        "   thinking is left out by requests like the one that it refused for another 5 h",
    ]


def test_how_many_tokens_a_target_takes() -> None:
    text = PROFILE.replace('"http://127.0.0.1:11434"', '"http://127.0.0.1:11434", context: 65536')
    proxy = Proxy()
    proxy.profile = profiles.parse(text, {}, "test.yaml")
    assert (
        "1. ollama/qwen at http://127.0.0.1:11434, with no credential, for up to 65,536 tokens"
        in (proxy.explain("local"))
    )


@pytest.mark.parametrize("name", ["claude-route/glm", "claude-route/glm[1m]"])
def test_a_name_of_claude_codes_list(name: str) -> None:
    proxy = Proxy()
    plain = proxy.explain("glm")
    assert proxy.explain(name) == plain.replace("glm goes", f"{name} goes")


def test_for_a_client() -> None:
    proxy = Proxy(TOKENS=TOKENS, KIMI_API_KEY="x")
    models = patterns.Table(dict.fromkeys(("claude-*", "local")))
    alice = clients.Client("alice", (), models, token_mode="passthrough")

    def explained(model: str) -> str:
        return explain.route(proxy.profile, proxy.pool, proxy.breaker, proxy.lessons, model, alice)

    assert explained("claude-opus-5-5").splitlines()[1:] == [
        "1. anthropic/claude-opus-5-5 at https://api.anthropic.com, with the client's own credential, "
        "unless the request asks to rotate",
        "2. ollama/qwen at http://127.0.0.1:11434, with no credential",
    ]
    for model in ("glm", "gpt-9"):
        assert explained(model) == (
            f"{model} is not one of the models of alice: claude-*, local.\n"
            "Both listeners answer 404, as if it did not exist."
        )
        assert not explain.is_answered(proxy.profile, model, alice)
    assert explain.is_answered(proxy.profile, "local", alice)
