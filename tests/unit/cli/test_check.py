from __future__ import annotations

import datetime
from collections.abc import Mapping

import pytest

from claude_route.cli import check
from claude_route.profile import profiles
from tests.wire import proxies

PROFILE = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai/api/anthropic, api_key: zai-key-0123456789}
  kimi: {base_url: https://api.kimi.com, auth: x-api-key, api_key: "${KIMI_API_KEY}"}
  local: {base_url: "http://127.0.0.1:1/v1", api: openai}
models:
  glm: zai/glm-5
  kimi: kimi/k2
  qwen: local/qwen
  claude-*: anthropic/claude-*
fallbacks: {claude-*: [glm, kimi]}
"""


TODAY = datetime.date(2026, 11, 28)


def lines(
    text: str = PROFILE, *, has_key: bool = False, environ: Mapping[str, str] | None = None
) -> list[str]:
    profile = profiles.parse(text, environ or {}, "p.yaml")
    return list(check.lines(profile, has_key=has_key, today=lambda: TODAY))


def test_a_profile() -> None:
    environ = {"CLAUDE_OAUTH_TOKENS": ",".join(proxies.POOL[:2])}
    assert lines(environ=environ) == [
        "Profile p (p.yaml)",
        "",
        "Providers",
        "  anthropic  https://api.anthropic.com       Messages          the pool's tokens",
        "  zai        https://api.z.ai/api/anthropic  Messages          its key",
        "  kimi       https://api.kimi.com            Messages          "
        "not used: KIMI_API_KEY is not set",
        "  local      http://127.0.0.1:1/v1           Chat Completions  no credential",
        "",
        "Models",
        "  glm       →  zai/glm-5",
        "  kimi      →  kimi/k2 (not used)",
        "  qwen      →  local/qwen",
        "  claude-*  →  anthropic/claude-*",
        "",
        "Fallbacks, in this order",
        "  claude-*  →  glm, kimi",
        "",
        "Pool: token 1 …pol1 (oauth), token 2 …pol2 (oauth); rotate, session, cooldown 60 s",
        "Attempts per request: at most 4",
        "Hosts intercepted on the forward listener: api.anthropic.com",
        "Clients: need no key; only this machine may connect",
        "",
        "Warnings",
        "  Provider kimi cannot be used: KIMI_API_KEY is not set.",
    ]


@pytest.mark.parametrize(
    "environ", [{}, {"CLAUDE_OAUTH_TOKENS": "x", "CLAUDE_TOKEN_MODE": "passthrough"}]
)
def test_without_a_pool_the_client_has_its_own(environ: dict[str, str]) -> None:
    assert lines(environ=environ)[3].endswith("the client's own credential")


@pytest.mark.parametrize(
    ("more", "has_key", "clients"),
    [
        ("", True, "must present PROXY_STATIC_TOKEN"),
        ("open: true", True, "must present PROXY_STATIC_TOKEN"),
        ("open: true", False, "need no key, even from other machines (open: true)"),
    ],
)
def test_clients(more: str, has_key: bool, clients: str) -> None:
    assert f"Clients: {clients}" in lines(f"{PROFILE}\n{more}", has_key=has_key)


@pytest.mark.parametrize("value", ["claude-x", "{web_search: claude-x, web_fetch: claude-x}"])
def test_server_tools(value: str) -> None:
    expected = "Server tools, for models without them: claude-x"
    assert expected in lines(f"{PROFILE}server_tools: {value}")


def test_no_secret_is_in_it() -> None:
    text = "\n".join(
        lines(
            environ={"CLAUDE_OAUTH_TOKENS": ",".join(proxies.POOL), "KIMI_API_KEY": "kimi-98765432"}
        )
    )
    assert "sk-ant" not in text
    assert "zai-key" not in text
    assert "kimi-98765432" not in text


def test_named_clients() -> None:
    key = f"key: 'sha256:{'0' * 63}%s'"
    text = f"""{PROFILE}
clients:
  alice:
    {{{key % 1}, models: [glm, claude-*], requests_per_minute: 60, tokens_per_day: 5000000,
     budget: {{day: 20, month: 200}}, on_budget: glm, token_mode: passthrough, expires: 2027-01-31}}
  bob: {{{key % 2}, admin: true}}
  carol: {{{key % 3}, requests_per_minute: 1, expires: 2026-11-27}}
"""
    shown = lines(text)
    place = shown.index("Clients: must present a key of their own")
    assert shown[place + 1 : place + 4] == [
        "  alice  glm, claude-*; 60 requests a minute; 5,000,000 tokens a day; $20.00 a day; "
        "$200.00 a month; then glm; passthrough; until 2027-01-31",
        "  bob    all models; admin",
        "  carol  all models; 1 request a minute; expired on 2026-11-27",
    ]
    assert "Clients: must present PROXY_STATIC_TOKEN or a key of their own" in lines(
        text, has_key=True
    )
    assert "0000" not in "\n".join(shown)
