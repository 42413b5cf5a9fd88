"""What servers break on the way from the model."""

from __future__ import annotations

from typing import Any

from tests.wire import cases
from tests.wire.cases import answers


def call(*pieces: str) -> cases.Answer:
    """A Chat Completions stream with a call whose arguments come in pieces."""
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "Bash", "arguments": ""}}  # fmt: skip
    calls: list[dict[str, Any]] = [first]
    calls += [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    chunks = [answers.chunk(tool_calls=[each]) for each in calls]
    return cases.stream(*chunks, answers.chunk("tool_calls"), "[DONE]", names=False)


def check_call(result: cases.Result) -> None:
    (made,) = result.message["content"]
    assert made["input"] == {"command": "ls"}
    assert result.message["stop_reason"] == "tool_use"


def check_thinking(result: cases.Result) -> None:
    thought, text = result.message["content"]
    assert (thought["type"], thought["thinking"]) == ("thinking", "A plan")
    assert text == {"type": "text", "text": "Hello"}


TAGGED = cases.stream(
    answers.chunk(content="<think>A plan"),
    answers.chunk(content="</think>\n\nHello"),
    answers.chunk("stop"),
    "[DONE]",
    names=False,
)

CASES = (
    cases.Case(
        "call-lost-its-end-chat",
        "https://github.com/vllm-project/vllm/issues/32152",
        cases.asked(tools=[cases.BASH]),
        {"other": [call('{"command": ', '"ls"')]},
        check_call,
        providers=cases.CHAT,
    ),
    cases.Case(
        "call-lost-its-beginning-chat",
        "https://github.com/vllm-project/vllm/issues/35266",
        cases.asked(tools=[cases.BASH]),
        {"other": [call('"command": "ls"}')]},
        check_call,
        providers=cases.CHAT,
    ),
    cases.Case(
        "call-lost-its-end-messages",
        "https://github.com/vllm-project/vllm/issues/45256",
        cases.asked(tools=[cases.BASH]),
        {
            "other": [
                cases.stream(
                    cases.start(),
                    *cases.call("toolu_1", '{"command": ', '"ls"'),
                    *cases.end("tool_use"),
                )
            ]
        },
        check_call,
    ),
    cases.Case(
        "think-tags-chat",
        "https://github.com/anomalyco/opencode/issues/4033",
        cases.asked(),
        {"other": [TAGGED]},
        check_thinking,
        providers={"other": {"api": "openai", "reasoning": "tags"}},
    ),
    cases.Case(
        "think-tags-of-minimax",
        "https://github.com/decolua/9router/pull/2231",
        cases.asked(),
        {"other": [TAGGED]},
        check_thinking,
        providers=cases.CHAT,
        models={"glm": "other/MiniMax-M3"},
    ),
    cases.Case(
        "think-tags-messages",
        "https://github.com/anomalyco/opencode/issues/4033",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    cases.start(),
                    *cases.text("<think>A plan</think>\n\nHello"),
                    *cases.end(),
                )
            ]
        },
        check_thinking,
        providers={"other": {"reasoning": "tags"}},
    ),
)
