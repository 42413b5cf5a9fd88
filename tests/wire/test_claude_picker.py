"""The list of models of the real Claude Code client, at the reverse listener."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]

DISCOVERY = {
    "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
    # Discovery counts as traffic that isn't essential.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "",
}
KEY = "team-key-0123456789abcdef"


def started(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    environ: dict[str, str],
    settings: dict[str, Any],
    key: str = "",
) -> claude_code.Claude:
    profile = proxies.profile(sim.url)
    profile["providers"]["zai"]["context"] = 200_000
    profile["providers"]["local"] = {"base_url": f"{sim.url}/provider/local", "auth": "none"}
    profile["models"] |= {"local/*": "local/*", "claude-*": "anthropic/claude-*"}
    proxy = start(profile, behind=sim.url, environ={"PROXY_STATIC_TOKEN": key} if key else None)
    reached = claude_code.through_the_reverse_listener(proxy)
    client = claude_code.Claude(tmp_path / "home", {**reached, **DISCOVERY, **environ})
    folder = tmp_path / "home" / ".claude"
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings))
    return client


def listed(home: Path) -> dict[str, dict[str, str]]:
    """What the client has kept for its list, by id."""
    cache = json.loads((home / ".claude" / "cache" / "gateway-models.json").read_text())
    return {model["id"]: model for model in cache["models"]}


@pytest.mark.parametrize(
    ("environ", "settings", "key"),
    [
        ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "any"}, {}, ""),
        ({"ANTHROPIC_API_KEY": proxies.API_KEY}, {}, ""),
        ({"ANTHROPIC_API_KEY": ""}, {"apiKeyHelper": "echo any"}, ""),
        ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": KEY}, {}, KEY),
        ({"ANTHROPIC_API_KEY": KEY}, {}, KEY),
        ({"ANTHROPIC_API_KEY": ""}, {"apiKeyHelper": f"echo {KEY}"}, KEY),
        (
            {
                "ANTHROPIC_API_KEY": "",
                "ANTHROPIC_AUTH_TOKEN": "any",
                "ANTHROPIC_CUSTOM_HEADERS": f"x-litellm-api-key: {KEY}",
            },
            {},
            KEY,
        ),
    ],
    ids=[
        *("token", "API key", "helper"),
        *("our key as token", "our key as API key", "our key by the helper"),
        "token and our header",
    ],
)
def test_all_models_are_in_its_list(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    environ: dict[str, str],
    settings: dict[str, Any],
    key: str,
) -> None:
    client = started(start, sim, tmp_path, environ, settings, key)
    sim.when(
        lambda recorded: recorded.bare_path == "/provider/zai/v1/messages",
        answers.text("From GLM."),
    )
    assert client.ask("hi", "--model", "claude-route/glm") == "From GLM."
    models = listed(tmp_path / "home")
    glm = models["claude-route/glm"]
    assert glm["display_name"] == "glm"
    assert glm["description"] == "From gateway: zai/glm-5, 200k tokens"
    assert "claude-opus-5-5" in models
    assert any(name.startswith("claude-route/local/") for name in models) or any(
        name.startswith("local/claude") for name in models
    )
    assert "glm" not in models
