"""The README's first page works for each kind of newcomer, with the real client and a scripted provider.

Whoever has no Anthropic login sets a token that is none, and nothing is asked of Anthropic.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from pathlib import Path

import pytest

import simulator
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import readme

pytestmark = [
    pytest.mark.client,
    claude_code.needs_claude,
    pytest.mark.usefixtures("usual_ports"),
]

KEY = "key-of-the-newcomer"

TUNNEL_WITHOUT_LOGIN = readme.TUNNEL.replace(" claude", " ANTHROPIC_AUTH_TOKEN=any claude")

type Starter = Callable[..., AbstractContextManager[readme.Started]]


@pytest.fixture
def anthropic() -> Iterator[simulator.Simulator]:
    with simulator.Simulator(tls=True) as sim:
        yield sim


@pytest.fixture
def provider() -> Iterator[simulator.Simulator]:
    with simulator.Simulator(role="provider") as sim:
        yield sim


@pytest.fixture
def start(tmp_path: Path, anthropic: simulator.Simulator) -> Starter:
    @contextmanager
    def started(command: str, **environ: str) -> Iterator[readme.Started]:
        readme.require_ports_and_uv()
        here = proxies.anthropic_here(anthropic.port, tmp_path)
        proxy = readme.Started(command.replace("…", KEY), tmp_path, *here, environ=environ)
        try:
            yield proxy
        finally:
            proxy.close()

    return started


ONE_PROVIDER = [
    ("zai", "ZAI", "/v1/messages", "glm-5", "glm-5-air"),
    ("kimi", "KIMI", "/v1/messages", "kimi-for-coding", "kimi-for-coding"),
    ("openrouter", "OPENROUTER", "/chat/completions", *2 * ("qwen/qwen3.6-plus:free",)),
]


@pytest.mark.parametrize(("profile", "prefix", "path", "model", "fast"), ONE_PROVIDER)
def test_with_only_a_key_of_one_provider(
    start: Starter,
    anthropic: simulator.Simulator,
    provider: simulator.Simulator,
    profile: str,
    prefix: str,
    path: str,
    model: str,
    fast: str,
) -> None:
    command = readme.ZAI.replace("zai", profile).replace("ZAI", prefix)
    with start(command, **{f"{prefix}_URL": provider.url}) as proxy:
        for client in (readme.WITHOUT_LOGIN, TUNNEL_WITHOUT_LOGIN):
            ask = f"{client} -p hello"
            assert proxy.shell(ask, environ={}) == "You said: hello"
            assert proxy.shell(f"{ask} --model haiku", environ={}) == "You said: hello"
    asked = provider.requests
    assert {request.json["model"] for request in asked} == {model, fast}
    assert all(request.bare_path.endswith(path) for request in asked)
    assert {request.credential for request in asked} == {KEY}
    assert not anthropic.requests, [request.path for request in anthropic.requests]


def test_with_a_local_model(start: Starter, anthropic: simulator.Simulator) -> None:
    with (
        simulator.Simulator(role="provider", needs_key=False) as ollama,
        start(readme.LOCAL, OLLAMA_URL=ollama.url) as proxy,
    ):
        assert proxy.shell(f"{readme.ASK_LOCAL} -p hello", environ={}) == "You said: hello"
        assert proxy.shell(f"{readme.WITHOUT_LOGIN} -p hello", environ={}) == "You said: hello"
    assert {request.json["model"] for request in ollama.requests} == {"qwen3-coder"}
    assert {request.credential for request in ollama.requests} == {None}
    assert not anthropic.requests, [request.path for request in anthropic.requests]


@pytest.mark.parametrize("client", [readme.WITHOUT_LOGIN, TUNNEL_WITHOUT_LOGIN])
def test_auto_mode_asks_the_one_provider_too(
    start: Starter, anthropic: simulator.Simulator, provider: simulator.Simulator, client: str
) -> None:
    """Claude Code's own check before it runs a command."""

    def is_check(request: simulator.Recorded) -> bool:
        return bool(request.json.get("stop_sequences"))

    provider.when(is_check, simulator.Answer(content=(simulator.Text("<block>no"),)))
    command = (
        f"{client} --permission-mode auto -p 'run: curl -s http://127.0.0.1:9/; touch allowed'"
    )
    with start(readme.ZAI, ZAI_URL=provider.url) as proxy:
        proxy.shell(command, environ={})
        assert (proxy.home / "work" / "allowed").exists()
    assert any(map(is_check, provider.requests))
    assert not anthropic.requests, [request.path for request in anthropic.requests]


def test_with_litellms_config(
    start: Starter, provider: simulator.Simulator, tmp_path: Path
) -> None:
    """Clients stay as they are: they present LiteLLM's key in its header."""
    config = tmp_path / "config.yaml"
    config.write_text(f"""
model_list:
  - model_name: glm
    litellm_params:
      model: anthropic/glm-5
      api_base: {provider.url}
      api_key: os.environ/ZAI_API_KEY
general_settings:
  master_key: os.environ/PROXY_STATIC_TOKEN
""")
    client = f"ANTHROPIC_CUSTOM_HEADERS='x-litellm-api-key: Bearer {KEY}' {readme.WITHOUT_LOGIN}"
    command = readme.LITELLM.replace("config.yaml", str(config))
    with start(command, ZAI_API_KEY="key-of-zai") as proxy:
        assert proxy.shell(f"{client} --model glm -p hello", environ={}) == "You said: hello"
    assert {request.credential for request in provider.requests} == {"key-of-zai"}
    assert not any(request.header("x-litellm-api-key") for request in provider.requests)
