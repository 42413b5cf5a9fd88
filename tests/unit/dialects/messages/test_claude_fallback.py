from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import claude_fallback
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from claude_route.wire import rawjson
from tests.unit import examples

OLD, NEW = "2023-06-01", "2026-10-21"
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
FABLE, OLD_FABLE = "claude-fable-5-2", "claude-fable-5-1"
SAMPLING = {"temperature", "top_k", "top_p"}
THINKING = {"type": "thinking", "thinking": "Hm", "signature": "ab" * 60}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
BODY = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [THINKING, CALL]},
        {"role": "user", "content": [RESULT]},
    ],
    "thinking": {"type": "adaptive"},
    "speed": "fast",
    "temperature": 1,
    "top_k": 3,
    "top_p": 1,
}


def sent(
    target: tuple[str, str], asked: tuple[str, str], version: str = OLD, **fields: Any
) -> dict[str, Any]:
    """What goes to a target, both given as provider and model."""
    request = requests.read(json.dumps(BODY | fields).encode())
    fitted = claude_fallback.fit(
        examples.target(*target),
        examples.target(*asked),
        version,
        rawjson.kind(request.thinking),
    )
    body: dict[str, Any] = json.loads(scrub.request(request, fitted))
    return body


@pytest.mark.parametrize(
    ("asked", "target", "thinks"),
    [
        (FABLE, FABLE, True),
        (FABLE, OPUS, False),
        (OPUS, FABLE, False),
        (SONNET, OPUS, False),
        (OPUS, SONNET, False),
        (OPUS, "claude-opus-5", True),
        (OLD_FABLE, OPUS, True),
    ],
)
def test_thinking_that_is_bound_to_its_model(asked: str, target: str, thinks: bool) -> None:
    body = sent(("anthropic", target), ("anthropic", asked), OLD)
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["thinking", "tool_use"] if thinks else ["tool_use"]


def test_the_thinking_of_a_fallback_from_another_provider_stays() -> None:
    body = sent(("anthropic", FABLE), ("zai", "glm-5"), OLD)
    assert body["messages"] == BODY["messages"]


@pytest.mark.parametrize(
    ("asked", "target", "version", "left_out"),
    [
        (("anthropic", OPUS), ("anthropic", OPUS), NEW, set()),
        (("anthropic", OPUS), ("anthropic", "claude-opus-5"), OLD, {"speed"}),
        (("anthropic", OPUS), ("anthropic", "claude-opus-5"), NEW, {"speed"} | SAMPLING),
        (("zai", "glm-5"), ("anthropic", OPUS), NEW, {"speed"} | SAMPLING),
        (("zai", "glm-5"), ("anthropic", OPUS), "2027-03-01", {"speed"} | SAMPLING),
        (("zai", "glm-5"), ("anthropic", OPUS), OLD, {"speed"}),
        (("zai", "glm-5"), ("anthropic", OPUS), "", {"speed"}),
        (("anthropic", OPUS), ("zai", "glm-5"), NEW, {"speed"}),
        (("zai", "glm-5"), ("zai", "glm-5"), NEW, {"speed"}),
    ],
)
def test_what_a_fallback_goes_without(
    asked: tuple[str, str], target: tuple[str, str], version: str, left_out: set[str]
) -> None:
    assert BODY.keys() - sent(target, asked, version).keys() == left_out


EDITS = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}


@pytest.mark.parametrize(
    ("asked", "target", "mode", "thinking"),
    [
        (OPUS, "claude-haiku-4-5", "adaptive", None),
        ("claude-haiku-4-5", OPUS, "enabled", None),
        ("claude-haiku-4-5", OPUS, "disabled", None),
        ("claude-haiku-4-5", SONNET, "disabled", {"type": "between_tools"}),
        (SONNET, "claude-haiku-5-5", "between_tools", {"type": "disabled"}),
        (SONNET, OPUS, "between_tools", None),
        ("claude-haiku-4-5", "claude-opus-4-6", "enabled", {"type": "enabled"}),
        (OPUS, SONNET, "adaptive", {"type": "adaptive"}),
        (OPUS, OPUS, "disabled", {"type": "disabled"}),
    ],
)
def test_the_mode_of_thinking(
    asked: str, target: str, mode: str, thinking: dict[str, str] | None
) -> None:
    body = sent(
        ("anthropic", target),
        ("anthropic", asked),
        thinking={"type": mode},
        messages=[{"role": "user", "content": "hi"}],
        context_management=EDITS,
    )
    assert body.get("thinking") == thinking
    assert ("context_management" in body) is (thinking is not None)


def test_a_profile_that_sets_thinking_knows_better() -> None:
    asked = examples.target("anthropic", "claude-haiku-4-5")
    own = examples.target("anthropic", SONNET, set={"thinking": {"type": "adaptive"}})
    fitted = claude_fallback.fit(own, asked, OLD, "disabled")
    assert fitted.provider.set == {"thinking": {"type": "adaptive"}}
