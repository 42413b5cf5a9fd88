"""Sessions of the real Claude Code client that go on after another provider has answered in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from simulator import recorded
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire.test_claude import Start

pytestmark = [pytest.mark.client, claude_code.needs_claude]

CLAUDE = "claude-opus-5-5"


def started(
    start: Start, url: str, folder: Path, *, model: str = "deepseek-v4-pro", **changes: Any
) -> claude_code.Claude:
    profile = proxies.profile(url, **changes)
    profile["providers"]["deepseek"] = {
        "base_url": f"{url}/provider/deepseek",
        "auth": "x-api-key",
        "api_key": "deepseek-key-9876",
    }
    profile["models"]["deepseek"] = f"deepseek/{model}"
    proxy = start(profile)
    return claude_code.Claude(folder / "home", claude_code.through_the_reverse_listener(proxy))


def goes_on(client: claude_code.Claude, model: str) -> None:
    """The session has two more turns, the second with a tool."""
    assert client.ask("second", "--continue", "--model", model) == "You said: second"
    third = client.ask("run: echo third", "--continue", "--model", model, "--allowedTools", "Bash")
    assert "third" in third


def is_turn(request: recorded.Recorded) -> bool:
    """Whether a request is one of the conversation, and no tool has answered in it."""
    return bool(request.json.get("tools")) and "tool_result" not in str(request.json["messages"])


def last_messages(sim: simulator.Simulator, path: str) -> str:
    return str([r for r in sim.requests if r.bare_path == path][-1].json["messages"])


def test_ids_that_anthropic_refuses(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    client = started(start, sim.url, tmp_path)
    called = simulator.ToolUse("Bash", {"command": "echo 1"}, "functions.Bash:0")
    sim.when(
        lambda r: r.bare_path == "/provider/kimi/v1/messages" and is_turn(r),
        answers.Answer(content=(called,)),
    )
    client.ask("first", "--model", "kimi", "--allowedTools", "Bash")
    goes_on(client, CLAUDE)
    assert "route_ZnVuY3Rpb25zLkJhc2g6MA" in last_messages(sim, "/v1/messages")
    assert client.ask("fourth", "--continue", "--model", "kimi") == "You said: fourth"
    assert "'functions.Bash:0'" in last_messages(sim, "/provider/kimi/v1/messages")
    assert not sim.refusals


def test_a_tool_that_another_server_ran(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    client = started(start, sim.url, tmp_path)
    hits = [{"type": "web_search_result", "url": "https://news.example", "title": "News"}]
    sim.when(
        lambda r: r.bare_path == "/provider/zai/v1/messages" and is_turn(r),
        answers.Answer(
            content=(
                simulator.ServerToolUse("web_search", {"query": "news"}, "call_50b8"),
                simulator.WebSearchResult("call_50b8", hits),
                simulator.Text("Nothing new."),
            )
        ),
    )
    assert client.ask("first", "--model", "glm") == "Nothing new."
    goes_on(client, CLAUDE)
    assert "[web_search_tool_result: [{" in last_messages(sim, "/v1/messages")
    assert not sim.refusals


@pytest.fixture
def deepseek() -> Any:
    """Simulates providers that require their thinking back with each call of a tool."""
    with simulator.Simulator(reasoning_required=True) as running:
        yield running


def test_a_provider_that_requires_its_thinking(
    start: Start, deepseek: simulator.Simulator, tmp_path: Path
) -> None:
    client = started(start, deepseek.url, tmp_path)
    client.ask("run: echo 1", "--model", CLAUDE, "--allowedTools", "Bash")
    goes_on(client, "deepseek")
    goes_on(client, CLAUDE)
    assert not deepseek.refusals


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "other"])
def test_a_fallback_in_the_middle_of_a_tool_loop(
    start: Start, deepseek: simulator.Simulator, tmp_path: Path, model: str
) -> None:
    """It goes on with the loop, or doesn't hide that Claude will be back."""
    client = started(
        start, deepseek.url, tmp_path, model=model, fallbacks={"claude-*": ["deepseek"]}
    )
    outages = [answers.failure(529)]

    def fails(request: recorded.Recorded) -> bool:
        if request.bare_path != "/v1/messages" or is_turn(request):
            return False
        return bool(request.json.get("tools") and outages and outages.pop())

    deepseek.when(fails, answers.failure(529))
    answer = client.ask("run: echo in the loop", "--model", CLAUDE, "--allowedTools", "Bash")
    assert "in the loop" in answer
    goes_on(client, CLAUDE)
    assert bool(deepseek.refusals) == (model == "other")
