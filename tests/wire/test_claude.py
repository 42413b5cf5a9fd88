"""The real Claude Code client, through both listeners, against the simulator."""

from __future__ import annotations

import base64
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from simulator import ports
from tests.wire import claude_code
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]


@pytest.fixture(params=[claude_code.through_the_reverse_listener, claude_code.through_the_tunnel])
def client(
    request: pytest.FixtureRequest, start: Start, sim: simulator.Simulator, tmp_path: Path
) -> Iterator[claude_code.Claude]:
    """Through each of the listeners, to a proxy whose providers are one simulator; what it passes
    through to Anthropic reaches another."""
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(
                sim.url, pool={"tokens": proxies.POOL[0]}, fallbacks={"claude-*": ["glm"]}
            ),
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )
        yield claude_code.Claude(tmp_path / "home", request.param(proxy))


def test_a_plain_turn(client: claude_code.Claude, sim: simulator.Simulator) -> None:
    assert client.ask("good morning") == "You said: good morning"
    turns = [r for r in sim.requests if r.bare_path == "/v1/messages"]
    assert {turn.credential for turn in turns} == {proxies.POOL[0]}
    assert not sim.refusals


def test_a_tool_call(client: claude_code.Claude, sim: simulator.Simulator) -> None:
    answer = client.ask("run: echo from the shell", "--allowedTools", "Bash")
    assert "from the shell" in answer
    assert not sim.refusals


def test_a_conversation_that_changes_provider(
    client: claude_code.Claude, sim: simulator.Simulator
) -> None:
    """GLM's thinking is Claude Code's to echo, and would be refused by Anthropic."""
    sim.when(
        lambda recorded: recorded.bare_path == "/provider/zai/v1/messages",
        answers.text("From GLM.", thinking="Hm, as GLM."),
    )
    assert client.ask("first", "--model", "glm") == "From GLM."
    assert client.ask("second", "--continue", "--model", "claude-opus-5-5") == "You said: second"
    last = [r for r in sim.requests if r.bare_path == "/v1/messages"][-1]
    assert "From GLM." in str(last.json)
    assert "Hm, as GLM." not in str(last.json)
    assert not sim.refusals


FAULTS = {
    "429": answers.failure(429),
    "500": answers.failure(500),
    "503": answers.failure(503),
    "529": answers.failure(529),
    "reset": answers.Answer(before_head="reset"),
    "silent": answers.Answer(before_head="silence"),
    "first event error": answers.first_event_error(),
    "refused": None,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_provider_is_replaced(
    start: Start, sim: simulator.Simulator, tmp_path: Path, fault: str
) -> None:
    """Claude Code sees an answer, and has nothing to try again."""
    profile = proxies.profile(sim.url, fallbacks={"claude-*": ["glm"]})
    profile["providers"]["anthropic"]["first_byte_timeout"] = 0.5
    answer = FAULTS[fault]
    if answer is None:
        profile["providers"]["anthropic"]["base_url"] = f"http://127.0.0.1:{ports.free()}"
    else:
        sim.when(lambda recorded: recorded.model == "claude-opus-5-5", answer)
    proxy = start(profile)
    client = claude_code.Claude(tmp_path / "home", claude_code.through_the_reverse_listener(proxy))
    assert client.ask("hello", "--model", "claude-opus-5-5") == "You said: hello"
    asked = [r.model for r in sim.requests if r.bare_path.endswith("/v1/messages")]
    assert asked == (["glm-5"] if answer is None else ["claude-opus-5-5", "glm-5"])


# Through a provider that speaks only Chat Completions


@pytest.fixture
def strict(
    start: Start, tmp_path: Path
) -> Iterator[tuple[claude_code.Claude, simulator.Simulator]]:
    """One that refuses what OpenAI refuses, and tool calls that lost their reasoning."""
    with simulator.Simulator(reasoning_required=True) as provider:
        profile = proxies.profile(provider.url)
        profile["providers"]["chat"] = {
            "base_url": f"{provider.url}/provider/v1",
            "api": "openai",
            "auth": "bearer",
            "api_key": "chat-key-0123456789",
            "reasoning": "required",
        }
        profile["models"]["chat"] = "chat/thinker-1"
        proxy = start(profile, behind=provider.url)
        yield (
            claude_code.Claude(tmp_path / "home", claude_code.through_the_reverse_listener(proxy)),
            provider,
        )
        assert not provider.refusals


def chats(provider: simulator.Simulator) -> list[Any]:
    """The bodies of the requests for a completion."""
    return [r.json for r in provider.requests if r.bare_path.endswith("/chat/completions")]


def test_chat_a_plain_turn(strict: tuple[claude_code.Claude, simulator.Simulator]) -> None:
    client, provider = strict
    assert client.ask("good evening", "--model", "chat") == "You said: good evening"
    assert {body["model"] for body in chats(provider)} == {"thinker-1"}


def test_chat_three_calls_two_of_them_at_once(
    strict: tuple[claude_code.Claude, simulator.Simulator],
) -> None:
    client, provider = strict
    prompt = "run: echo first\nboth: run: echo second, run: echo third"
    answer = client.ask(prompt, "--model", "chat", "--allowedTools", "Bash")
    assert "second" in answer
    assert "third" in answer
    last = chats(provider)[-1]["messages"]
    assert [len(m["tool_calls"]) for m in last if m.get("tool_calls")] == [1, 2]
    assert sum(m["role"] == "tool" for m in last) == 3


def test_chat_an_image_from_disk(strict: tuple[claude_code.Claude, simulator.Simulator]) -> None:
    client, provider = strict
    (client.folder / "dot.png").write_bytes(base64.b64decode(DOT))
    client.ask(f"read: {client.folder}/dot.png", "--model", "chat", "--allowedTools", "Read")
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
    strict: tuple[claude_code.Claude, simulator.Simulator],
) -> None:
    client, provider = strict
    provider.when(
        lambda recorded: (
            recorded.bare_path.endswith("completions") and len(recorded.json["messages"]) < 4
        ),
        answers.tool("Bash", {"command": "echo thought"}, thinking="I had better look."),
    )
    client.ask("look around", "--model", "chat", "--allowedTools", "Bash")
    client.ask("and now?", "--model", "chat", "--continue")
    later = chats(provider)[1:]
    assert later
    for body in later:
        thoughts = [m.get("reasoning_content") for m in body["messages"] if m.get("tool_calls")]
        assert thoughts == ["I had better look."]


DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
"""A PNG of one pixel."""


def test_chat_a_refused_effort_is_no_end(
    strict: tuple[claude_code.Claude, simulator.Simulator],
) -> None:
    """Claude Code sends an effort with each request."""
    client, provider = strict
    says = "`reasoning_effort` is not supported with this model"
    provider.when(
        lambda recorded: "reasoning_effort" in (recorded.json or {}), answers.failure(400, says)
    )
    arguments = ("--model", "chat", "--effort", "high")
    assert client.ask("one", *arguments) == "You said: one"
    first = chats(provider)
    assert any("reasoning_effort" in body for body in first)
    for prompt in ("two", "three"):
        assert client.ask(prompt, *arguments, "--continue") == f"You said: {prompt}"
    later = chats(provider)[len(first) :]
    assert later
    assert not any("reasoning_effort" in body for body in later)
