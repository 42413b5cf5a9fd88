from __future__ import annotations

from typing import Any

import pytest

import claude_route
from claude_route import announcement
from claude_route.profile import profiles
from claude_route.routing import rotation
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "/etc/team.yaml")
MODES = ["regular@127.0.0.1:8080", "reverse:https://api.anthropic.com@0.0.0.0:4000"]


def pool(*tokens: str) -> rotation.Pool:
    return rotation.Pool(tokens, clock=lambda: 1000.0)


def lines(tokens: tuple[str, ...] = (), *, needs_key: bool = False) -> str:
    logged = announcement.lines(
        MODES, "", "/home/me/.mitmproxy", PROFILE, pool(*tokens), needs_key=needs_key
    )
    return "\n".join(logged)


def test_both_ways_to_start_claude() -> None:
    logged = lines()
    ca = "/home/me/.mitmproxy/mitmproxy-ca-cert.pem"
    assert f"HTTPS_PROXY=http://127.0.0.1:8080 NODE_EXTRA_CA_CERTS={ca} claude" in logged
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 claude" in logged
    assert "Profile team (/etc/team.yaml) is loaded; the pool has no tokens" in logged


def test_a_listener_with_a_proxy_of_its_own() -> None:
    logged = announcement.lines(
        ["upstream:http://proxy.example:3128@8081"], "", "/c", PROFILE, pool(), needs_key=False
    )
    assert any("HTTPS_PROXY=http://127.0.0.1:8081 " in line for line in logged)


def test_versions() -> None:
    assert lines().startswith(f"claude-route {claude_route.__version__} on mitmproxy ")


def test_with_a_key() -> None:
    logged = lines(needs_key=True)
    assert "HTTPS_PROXY=http://claude:$PROXY_STATIC_TOKEN@127.0.0.1:8080" in logged
    assert 'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: $PROXY_STATIC_TOKEN" claude' in logged


@pytest.mark.parametrize(
    ("count", "words"), [(1, "the pool has 1 token"), (3, "the pool has 3 tokens")]
)
def test_tokens_are_counted_not_shown(count: int, words: str) -> None:
    logged = lines(proxies.POOL[:count])
    assert words in logged
    assert "sk-ant" not in logged


def learn(filled: rotation.Pool, **answer: Any) -> None:
    filled.learn(filled.tokens[0], **answer)
