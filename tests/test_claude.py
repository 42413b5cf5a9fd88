"""The real Claude Code client, through both doors, against the simulator."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import live
import simulator
from simulator import answers

INSTALLED = live.ROOT / ".tools" / "node_modules" / ".bin" / "claude"
CLAUDE = str(INSTALLED) if INSTALLED.exists() else shutil.which("claude")

pytestmark = pytest.mark.skipif(
    CLAUDE is None,
    reason="Claude Code is not installed: npm install --prefix .tools @anthropic-ai/claude-code",
)

Start = Callable[..., live.Proxy]


class Claude:
    """Claude Code with a home and a working folder of its own, which knows no other network."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self.folder = home / "work"
        self.folder.mkdir(parents=True)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ANTHROPIC_API_KEY": live.API_KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **environ,
        }

    def ask(self, prompt: str, *arguments: str) -> str:
        """What `claude -p` prints."""
        assert CLAUDE
        run = subprocess.run(
            [CLAUDE, "-p", prompt, *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, (run.stdout, run.stderr)
        return run.stdout.strip()


def through_the_reverse_door(proxy: live.Proxy) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": proxy.url}


def through_the_tunnel(proxy: live.Proxy) -> dict[str, str]:
    ca = proxy.confdir / "mitmproxy-ca-cert.pem"
    return {"HTTPS_PROXY": proxy.proxy_url, "NODE_EXTRA_CA_CERTS": str(ca)}


@pytest.fixture(params=[through_the_reverse_door, through_the_tunnel])
def claude(
    request: pytest.FixtureRequest, start: Start, sim: simulator.Simulator, tmp_path: Path
) -> Iterator[Claude]:
    """Through each of the doors, to a proxy whose providers are one simulator; what it passes
    through to Anthropic reaches another."""
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            live.profile(sim.url, pool={"tokens": live.POOL[0]}, fallbacks={"claude-*": ["glm"]}),
            arguments=live.anthropic_here(anthropic.port, tmp_path),
        )
        yield Claude(tmp_path / "home", request.param(proxy))


def test_a_plain_turn(claude: Claude, sim: simulator.Simulator) -> None:
    assert claude.ask("good morning") == "You said: good morning"
    turns = [r for r in sim.requests if r.bare_path == "/v1/messages"]
    assert {turn.credential for turn in turns} == {live.POOL[0]}
    assert not sim.refusals


def test_a_tool_call(claude: Claude, sim: simulator.Simulator) -> None:
    said = claude.ask("run: echo from the shell", "--allowedTools", "Bash")
    assert "from the shell" in said
    assert not sim.refusals


def test_a_conversation_that_changes_provider(claude: Claude, sim: simulator.Simulator) -> None:
    """GLM's thinking is Claude Code's to echo, and would be refused by Anthropic."""
    sim.when(
        lambda recorded: recorded.bare_path == "/provider/zai/v1/messages",
        answers.text("From GLM.", thinking="Hm, as GLM."),
    )
    assert claude.ask("first", "--model", "glm") == "From GLM."
    assert claude.ask("second", "--continue", "--model", "claude-opus-5-5") == "You said: second"
    last = [r for r in sim.requests if r.bare_path == "/v1/messages"][-1]
    assert "From GLM." in str(last.json)
    assert "Hm, as GLM." not in str(last.json)
    assert not sim.refusals


def test_a_failed_provider_is_replaced(claude: Claude, sim: simulator.Simulator) -> None:
    sim.when(lambda recorded: recorded.model == "claude-opus-5-5", answers.failure(529))
    assert claude.ask("hello", "--model", "claude-opus-5-5") == "You said: hello"
    turns = [r for r in sim.requests if r.bare_path.endswith("/v1/messages")]
    assert [turn.model for turn in turns][:2] == ["claude-opus-5-5", "glm-5"]


# Through a provider that speaks only Chat Completions


@pytest.fixture
def strict(start: Start, tmp_path: Path) -> Iterator[tuple[Claude, simulator.Simulator]]:
    """One that refuses what OpenAI refuses, and tool calls that lost their reasoning."""
    with simulator.Simulator(reasoning_required=True) as provider:
        profile = live.profile(provider.url)
        profile["providers"]["chat"] = {
            "base_url": f"{provider.url}/provider/v1",
            "api": "openai",
            "auth": "bearer",
            "api_key": "chat-key-0123456789",
            "reasoning": "required",
        }
        profile["models"]["chat"] = "chat/thinker-1"
        proxy = start(profile, behind=provider.url)
        yield Claude(tmp_path / "home", through_the_reverse_door(proxy)), provider
        assert not provider.refusals


def chats(provider: simulator.Simulator) -> list[Any]:
    """The bodies of the requests for a completion."""
    return [r.json for r in provider.requests if r.bare_path.endswith("/chat/completions")]


def test_chat_a_plain_turn(strict: tuple[Claude, simulator.Simulator]) -> None:
    claude, provider = strict
    assert claude.ask("good evening", "--model", "chat") == "You said: good evening"
    assert {body["model"] for body in chats(provider)} == {"thinker-1"}


def test_chat_three_calls_two_of_them_at_once(
    strict: tuple[Claude, simulator.Simulator],
) -> None:
    claude, provider = strict
    prompt = "run: echo first\nboth: run: echo second, run: echo third"
    said = claude.ask(prompt, "--model", "chat", "--allowedTools", "Bash")
    assert "second" in said
    assert "third" in said
    last = chats(provider)[-1]["messages"]
    assert [len(m["tool_calls"]) for m in last if m.get("tool_calls")] == [1, 2]
    assert sum(m["role"] == "tool" for m in last) == 3


def test_chat_an_image_from_disk(strict: tuple[Claude, simulator.Simulator]) -> None:
    claude, provider = strict
    (claude.folder / "dot.png").write_bytes(base64.b64decode(DOT))
    claude.ask(f"read: {claude.folder}/dot.png", "--model", "chat", "--allowedTools", "Read")
    parts = [
        part
        for message in chats(provider)[-1]["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(images) == 1
    assert images[0].startswith("data:image/png;base64,")


def test_chat_thinking_goes_back_to_who_thought(
    strict: tuple[Claude, simulator.Simulator],
) -> None:
    claude, provider = strict
    provider.when(
        lambda recorded: (
            recorded.bare_path.endswith("completions") and len(recorded.json["messages"]) < 4
        ),
        answers.tool("Bash", {"command": "echo thought"}, thinking="I had better look."),
    )
    claude.ask("look around", "--model", "chat", "--allowedTools", "Bash")
    claude.ask("and now?", "--model", "chat", "--continue")
    for body in chats(provider)[1:]:
        thoughts = [m.get("reasoning_content") for m in body["messages"] if m.get("tool_calls")]
        assert thoughts == ["I had better look."]


DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
"""A PNG of one pixel."""
