"""The real Claude Code client as a member of a team: each way to give the key, and what the terminal shows
when a credential of the proxy's is refused or all its tokens are at their limit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]
Through = Callable[[proxies.Proxy], dict[str, str]]

KEY, NEXT = "team-key-0123456789abcdef", "team-key-fedcba9876543210"
OWN_TOKEN = "sk-ant-oat01-client-000000000-cOat"

HELPER = "helper"
WAYS = {
    "ANTHROPIC_AUTH_TOKEN": {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "{}"},
    "ANTHROPIC_API_KEY": {"ANTHROPIC_API_KEY": "{}"},
    "apiKeyHelper": {"ANTHROPIC_API_KEY": "", HELPER: "{}"},
    "beside a login": {
        "ANTHROPIC_API_KEY": "",
        "CLAUDE_CODE_OAUTH_TOKEN": OWN_TOKEN,
        "ANTHROPIC_CUSTOM_HEADERS": "x-litellm-api-key: {}",
    },
}

both_listeners = pytest.mark.parametrize(
    "through", [claude_code.through_the_reverse_listener, claude_code.through_the_tunnel]
)


def with_password(proxy: proxies.Proxy) -> dict[str, str]:
    environ = claude_code.through_the_tunnel(proxy)
    return environ | {"HTTPS_PROXY": f"http://me:{KEY}@127.0.0.1:{proxy.proxy_port}"}


def client_with(home: Path, environ: dict[str, str], way: str, key: str) -> claude_code.Claude:
    own = {name: value.format(key) for name, value in WAYS[way].items()}
    helper = own.pop(HELPER, None)
    client = claude_code.Claude(home, {**environ, **own})
    if helper:
        settings = client.folder.parent / ".claude" / "settings.json"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(json.dumps({"apiKeyHelper": f"echo {helper}"}))
    return client


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "through",
    [claude_code.through_the_reverse_listener, claude_code.through_the_tunnel, with_password],
)
def test_a_key_lets_in(
    start: Start, sim: simulator.Simulator, tmp_path: Path, through: Through, way: str
) -> None:
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}),
            environ={"PROXY_STATIC_TOKEN": NEXT, "PROXY_STATIC_TOKEN_NEXT": KEY},
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        environ = through(proxy)
        if "HTTPS_PROXY" in environ:
            # What it asks Anthropic besides shows whether the key goes there.
            environ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = ""
        client = client_with(tmp_path / "home", environ, way, KEY)
        assert client.ask("good morning") == "You said: good morning"
        asked = [*sim.requests, *anthropic.requests]
    assert {r.credential for r in sim.requests} == {proxies.POOL[0]}
    assert KEY not in str([(request.path, request.headers) for request in asked])
    assert not sim.refusals


@pytest.mark.parametrize("way", [way for way in WAYS if way != "apiKeyHelper"])
@both_listeners
def test_a_wrong_key_is_told_soon(
    start: Start, sim: simulator.Simulator, tmp_path: Path, through: Through, way: str
) -> None:
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(sim.url),
            environ={"PROXY_STATIC_TOKEN": KEY},
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        printed = client_with(tmp_path / "home", through(proxy), way, "wrong-0123456789").failure()
    assert "This proxy requires its key" in printed
    assert not sim.requests


def test_a_client_that_has_only_the_key(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    proxy = start(proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": KEY})
    environ = claude_code.through_the_reverse_listener(proxy)
    printed = client_with(tmp_path / "home", environ, "ANTHROPIC_AUTH_TOKEN", KEY).failure()
    assert "this client has none" in printed
    assert not sim.requests


MISLEADING = ("/login", "usually temporary", "Credit balance", "server-side")


@pytest.mark.parametrize("model", ["claude-opus-5-5", "glm"])
@pytest.mark.parametrize("status", [401, 402, 403])
@both_listeners
def test_a_refused_credential_of_the_proxys(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    through: Through,
    status: int,
    model: str,
) -> None:
    """The simulator says what sends users to /login, or to their bills."""
    sim.when(lambda recorded: "messages" in recorded.bare_path, answers.failure(status))
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}),
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        client = claude_code.Claude(tmp_path / "home", through(proxy))
        printed = client.failure("--model", model)
    assert "whoever runs the proxy has to" in printed
    assert not [words for words in MISLEADING if words in printed], printed
    asked = [r for r in sim.requests if r.bare_path.endswith("/v1/messages")]
    assert len([r for r in asked if r.json.get("tools")]) <= 1


@pytest.mark.parametrize("login", ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"])
@both_listeners
def test_all_tokens_at_their_limit(
    start: Start, sim: simulator.Simulator, tmp_path: Path, through: Through, login: str
) -> None:
    reset = int(time.time()) + 7200
    limits = (
        ("retry-after", "7200"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
        ("anthropic-ratelimit-unified-reset", str(reset)),
        ("anthropic-ratelimit-unified-5h-status", "rejected"),
        ("anthropic-ratelimit-unified-5h-reset", str(reset)),
    )
    sim.when(
        lambda recorded: "messages" in recorded.bare_path, answers.failure(429, headers=limits)
    )
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(sim.url, pool={"tokens": list(proxies.POOL[:2])}),
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        own = {"ANTHROPIC_API_KEY": "", login: proxies.API_KEY}
        if login == "CLAUDE_CODE_OAUTH_TOKEN":
            own[login] = OWN_TOKEN
        client = claude_code.Claude(tmp_path / "home", {**through(proxy), **own})
        for _ in range(2):
            printed = client.failure()
            assert "the first is available in" in printed, printed
            assert "5-hour limit" not in printed
