"""What `/sessions` says of a session of the real Claude Code client: its tree, and its numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import terminal

Start = Callable[..., proxies.Proxy]

CHECKER = "claude-haiku-5-5"
SUMMARY = "<summary>\nThe user had things echoed.\n</summary>"
AGENTS = {"one": "general-purpose", "two": "Explore"}


def call(name: str, agent_type: str) -> str:
    given = {
        "description": f"look at {name}",
        "prompt": f"run: echo {name}",
        "subagent_type": agent_type,
    }
    return f"call: Agent {json.dumps(given)}"


def is_summary(request: simulator.Recorded) -> bool:
    return "create a detailed summary" in str(request.json["messages"][-1])


def sessions(proxy: proxies.Proxy) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = httpx.get(f"{proxy.url}/sessions", trust_env=False).json()[
        "sessions"
    ]
    return listed


def session(proxy: proxies.Proxy) -> dict[str, Any]:
    (only,) = sessions(proxy)
    whole: dict[str, Any] = httpx.get(f"{proxy.url}/sessions/{only['id']}", trust_env=False).json()
    return whole


@pytest.mark.client
@claude_code.needs_claude
@terminal.needs_tmux
def test_a_session_of_claude_code(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    profile = proxies.profile(
        sim.url, pool={"tokens": proxies.POOL[0]}, fallbacks={"claude-opus-*": ["glm"]}
    )
    proxy = start(profile, arguments=["-w", str(tmp_path / "flows.mitm")])
    outages = [True]

    def fails(request: simulator.Recorded) -> bool:
        is_main = request.model == "claude-opus-5-5" and bool(request.json.get("tools"))
        return is_main and bool(outages and outages.pop())

    sim.when(is_summary, answers.text(SUMMARY))
    sim.when(lambda r: bool(r.model == CHECKER), answers.text("<block>no"))
    sim.when(fails, answers.failure(529))
    environ = {
        "ANTHROPIC_BASE_URL": proxy.url,
        "CLAUDE_CODE_OAUTH_TOKEN": proxies.POOL[1],
    }
    with terminal.Terminal(tmp_path / "home", environ, "--model", "claude-opus-5-5") as claude:
        claude.say("run: echo first")
        claude.wait("Result: first")
        both = ", ".join(call(name, kind) for name, kind in AGENTS.items())
        claude.say(f"both: {both}")
        proxies.wait_until(
            lambda: sum(t["kind"] == "subagent" for t in session(proxy)["turns"]) >= 4
        )
        time.sleep(2)
        claude.say("/compact")
        proxies.wait_until(lambda: any(t["kind"] == "compaction" for t in session(proxy)["turns"]))
        time.sleep(1)
        claude.say("third")
        proxies.wait_until(lambda: session(proxy)["turns"][-1]["prompt"] == "third")
    Path("/tmp/turns-session.json").write_text(json.dumps(session(proxy), indent=1))
