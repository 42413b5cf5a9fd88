"""The real Claude Code client with a budget: its own warnings, in a terminal, and what it says in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import terminal
from tests.wire import test_clients as named

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]

OWN_TOKEN = "sk-ant-oat01-client-000000000-cOat"
MODEL = "claude-opus-5-5"
PRICES = {
    f"anthropic/{MODEL}": {"input": 0, "output": 100_000},
    "*/*": {"input": 0, "output": 0},
}
"""Ten tokens are a dollar."""


def begin(start: Start, sim: simulator.Simulator, tmp_path: Path, **rights: Any) -> proxies.Proxy:
    nothing = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    sim.default(answers.Answer(usage={**dict.fromkeys(nothing, 0), "output_tokens": 40}))
    clients = {"alice": {"budget": {"day": 10}, **rights}}
    proxy: proxies.Proxy = start(named.profile(sim.url, clients, prices=PRICES))
    return proxy


def through(proxy: proxies.Proxy, way: str) -> dict[str, str]:
    key = named.ALICE
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    reverse = claude_code.through_the_reverse_listener(proxy) | quiet
    login = {"CLAUDE_CODE_OAUTH_TOKEN": OWN_TOKEN}
    match way:
        case "token":
            return {**reverse, "ANTHROPIC_AUTH_TOKEN": key}
        case "login":
            headers = {"ANTHROPIC_CUSTOM_HEADERS": f"x-litellm-api-key: {key}"}
            return {**reverse, **login, **headers}
        case _:
            forward = claude_code.through_the_tunnel(proxy) | quiet | login
            return forward | {"HTTPS_PROXY": f"http://me:{key}@127.0.0.1:{proxy.proxy_port}"}


@terminal.needs_tmux
@pytest.mark.parametrize("way", ["token", "login", "tunnel"])
def test_what_the_terminal_shows(
    start: Start, sim: simulator.Simulator, tmp_path: Path, way: str
) -> None:
    """Each answer costs four of ten dollars. Claude Code warns only those who have a login."""
    proxy = begin(start, sim, tmp_path)
    with terminal.Terminal(tmp_path / "home", through(proxy, way), "--model", MODEL) as client:
        for word in ("one", "two"):
            client.say(f"say {word}")
            client.wait(f"You said: say {word}")
            assert "of your usage credits" not in client.screen()
        client.say("say three")
        client.wait("You said: say three")
        if way != "token":
            client.wait("You've used 80% of your usage credits · resets ")
        client.say("say four")
        client.wait("alice has used up the day's budget of $10.00 ($12.00 used)")
        client.wait("spend limit reached · resets ")
    assert len([request for request in sim.requests if request.model == MODEL]) == 3


@terminal.needs_tmux
def test_another_model_goes_on(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    proxy = begin(start, sim, tmp_path, on_budget="glm")
    environ = through(proxy, "login")
    with terminal.Terminal(tmp_path / "home", environ, "--model", MODEL) as client:
        for word in ("one", "two", "three", "four", "five"):
            client.say(f"say {word}")
            client.wait(f"You said: say {word}")
        assert "spend limit reached" not in client.screen()
    models = [request.model for request in sim.requests if request.model in (MODEL, "glm-5")]
    assert models == [MODEL, MODEL, MODEL, "glm-5", "glm-5"]


@pytest.mark.parametrize("way", ["token", "login"])
def test_a_key_that_has_expired(
    start: Start, sim: simulator.Simulator, tmp_path: Path, way: str
) -> None:
    proxy = begin(start, sim, tmp_path, expires=named.YESTERDAY)
    environ = {"ANTHROPIC_API_KEY": "", **through(proxy, way)}
    client = claude_code.Claude(tmp_path / "home", environ)
    printed = client.failure()
    assert f"The key of alice for this proxy expired on {named.YESTERDAY}" in printed
    assert not sim.requests
