"""The real Claude Code client with message threads, and searching the web with a model that can't."""

from __future__ import annotations

import re
from collections.abc import Callable
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
STEPS = " ".join(f"run: echo step-{n}\n" for n in range(8))
THREADS = {"CLAUDE_CODE_TETHER_LIVE": "1"}
"""On from the first request; otherwise Anthropic's servers decide, and only at the forward listener."""

Through = Callable[[proxies.Proxy], dict[str, str]]


@pytest.fixture(params=[claude_code.through_the_reverse_listener, claude_code.through_the_tunnel])
def through(request: pytest.FixtureRequest) -> Through:
    chosen: Through = request.param
    return chosen


def started(
    start: Start, through: Through, url: str, folder: Path, **changes: Any
) -> tuple[proxies.Proxy, claude_code.Claude]:
    proxy = start(proxies.profile(url, **changes), arguments=proxies.anthropic_here(9, folder))
    return proxy, claude_code.Claude(folder / "home", {**through(proxy), **THREADS})


def requests(proxy: proxies.Proxy, model: str) -> int:
    """The requests for a model: the log has a line for each."""
    return len(re.findall(rf"\] (?:✗ )?{model} (?:→|·) ", proxy.log))


def turns(sim: simulator.Simulator, path: str) -> list[recorded.Recorded]:
    """The requests of the agent itself."""
    return [r for r in sim.requests if r.bare_path == path and r.json.get("tools")]


def test_a_tool_loop_with_a_model_that_keeps_no_threads(
    start: Start, through: Through, sim: simulator.Simulator, tmp_path: Path
) -> None:
    proxy, client = started(start, through, sim.url, tmp_path)
    answer = client.ask(STEPS, "--model", "glm", "--allowedTools", "Bash")
    assert "step-7" in answer
    answered = turns(sim, "/provider/zai/v1/messages")
    assert len(answered) == 9
    assert requests(proxy, "glm") == 10
    assert not sim.refusals


def test_a_thread_of_claudes_in_a_pool(
    start: Start, through: Through, sim: simulator.Simulator, tmp_path: Path
) -> None:
    pool = {"tokens": list(proxies.POOL[:2]), "strategy": "round-robin"}
    _, client = started(start, through, sim.url, tmp_path, pool=pool)
    answer = client.ask(STEPS, "--model", CLAUDE, "--allowedTools", "Bash")
    assert "step-7" in answer
    kinds = [r.json["thread"]["type"] for r in turns(sim, "/v1/messages")]
    assert kinds == ["create"] + ["continue"] * 8
    assert len({r.credential for r in turns(sim, "/v1/messages")}) == 1
    assert not sim.refusals


def searches(sim: simulator.Simulator, path: str) -> None:
    """The model calls WebSearch, and then says what came of it."""
    call = simulator.ToolUse("WebSearch", {"query": "mitmproxy"})
    made_up = answers.text("I know all about mitmproxy by heart.")
    sim.when(lambda r: "web search for the query" in str(r.json.get("messages")), made_up)
    sim.when(
        lambda r: (
            r.bare_path == path
            and bool(r.json.get("tools"))
            and "look it up" in str(r.json["messages"])
            and "tool_result" not in str(r.json["messages"])
        ),
        answers.Answer(content=(call,)),
    )


@pytest.mark.parametrize("has_model", [False, True])
def test_a_search(
    start: Start, through: Through, sim: simulator.Simulator, tmp_path: Path, has_model: bool
) -> None:
    changes = {"server_tools": CLAUDE} if has_model else {}
    _, client = started(start, through, sim.url, tmp_path, **changes)
    searches(sim, "/provider/zai/v1/messages")
    answer = client.ask("look it up", "--model", "glm", "--allowedTools", "WebSearch")
    searched = [r for r in sim.requests if "web search for the query" in str(r.json["messages"])]
    if has_model:
        assert [r.model for r in searched] == [CLAUDE]
        assert "by heart" in answer
    else:
        assert not searched
        assert "API Error: 400 web_search: only Anthropic's servers have this tool" in answer
