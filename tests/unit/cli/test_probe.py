from __future__ import annotations

import asyncio

import pytest

import simulator
from claude_route.cli import probe
from claude_route.profile import profiles
from claude_route.proxy.upstream import proxies

OAUTH, API = "sk-ant-oat01-token-one", "sk-ant-api03-token-two"


def questions(text: str) -> list[probe.Question]:
    return list(probe.questions(profiles.parse(text, {}, "/p/mine.yaml")))


def test_each_credential_is_asked_about() -> None:
    asked = questions(f"""
providers:
  anthropic: {{base_url: "https://api.anthropic.com"}}
  zai: {{base_url: "https://api.z.ai", auth: bearer, api_key: one}}
  kimi: {{base_url: "https://api.kimi.com", auth: x-api-key, api_key: two}}
  local: {{base_url: "http://127.0.0.1:1"}}
  unset: {{base_url: "https://example.com", api_key: "${{UNSET}}"}}
models: {{glm: zai/glm-5}}
pool: {{tokens: [{OAUTH}, {API}]}}
""")
    assert [(one.name.partition(",")[0], one.fields) for one in asked] == [
        (
            "anthropic",
            (
                (b"Authorization", f"Bearer {OAUTH}".encode()),
                (b"anthropic-beta", b"oauth-2025-04-20"),
            ),
        ),
        ("anthropic", ((b"x-api-key", API.encode()),)),
        ("zai", ((b"Authorization", b"Bearer one"),)),
        ("kimi", ((b"x-api-key", b"two"),)),
        ("local", ()),
    ]


def test_a_clients_own_credential_is_nobody_elses_to_check() -> None:
    (asked,) = questions("""
providers: {anthropic: {base_url: "https://api.anthropic.com"}}
models: {claude-*: anthropic/claude-*}
pool: {tokens: []}
""")
    assert asked.secret is None
    assert probe.judge(asked, 401, b"").verdict == "accepted"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "accepted"),
        (401, "refused"),
        (403, "refused"),
        (404, "unclear"),
        (429, "unclear"),
        (503, "failed"),
    ],
)
def test_judge(status: int, verdict: str) -> None:
    (asked,) = questions("""
providers: {zai: {base_url: "https://api.z.ai", api_key: secret}}
models: {glm: zai/glm-5}
""")
    body = b'{"error": {"message": "no, secret is wrong"}}'
    answer = probe.judge(asked, status, body)
    assert answer.verdict == verdict
    assert "secret" not in answer.why


def test_tokens_for_inference_need_not_list_models() -> None:
    (asked,) = questions(f"""
providers: {{anthropic: {{base_url: "https://api.anthropic.com"}}}}
models: {{claude-*: anthropic/claude-*}}
pool: {{tokens: [{OAUTH}]}}
""")
    assert probe.judge(asked, 403, b"").verdict == "unclear"
    assert probe.judge(asked, 401, b"").verdict == "refused"


def test_ask() -> None:
    async def asked(url: str) -> probe.Answer:
        (question,) = questions(f"""
providers: {{zai: {{base_url: "{url}", api_key: secret}}}}
models: {{glm: zai/glm-5}}
""")
        return await probe.ask(question, proxies.rules({}))

    with simulator.Simulator() as sim:
        assert asyncio.run(asked(sim.url)).verdict == "accepted"
        (request,) = sim.requests
        assert (request.method, request.path) == ("GET", "/v1/models")
        assert request.header("anthropic-version") == "2023-06-01"
        url = sim.url
    assert asyncio.run(asked(url)).verdict == "unreachable"


def test_a_certificate_that_is_not_trusted_says_what_to_set() -> None:
    with simulator.Simulator(tls=True) as sim:
        (question,) = questions(f"""
providers: {{zai: {{base_url: "{sim.url}", api_key: secret}}}}
models: {{glm: zai/glm-5}}
""")
        answer = asyncio.run(probe.ask(question, proxies.rules({})))
    assert answer.verdict == "untrusted"
    assert "SSL_CERT_FILE" in answer.why
