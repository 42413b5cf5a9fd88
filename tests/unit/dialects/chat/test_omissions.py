"""What `drop` leaves out of a Chat Completions request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit import chat_streams

DAY = {"type": "string", "pattern": r"^\d+$", "format": "date"}
SCHEMA = {"type": "object", "properties": {"day": DAY, "pattern": {"type": "string"}}}
TOOLS = [{"name": "Note", "input_schema": SCHEMA}]
FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}
POINT = {"type": "ephemeral", "ttl": "1h"}


def sent(body: dict[str, Any], *drop: str, model: str = "m", **settings: Any) -> dict[str, Any]:
    return chat_streams.sent(body, chat_streams.target(model, drop=drop, **settings))


def test_keywords_of_tools_and_of_the_answer() -> None:
    body = {"tools": TOOLS, "output_config": FORMAT}
    chat = sent(body, "schemas.pattern", "schemas.format")
    plain = {
        "type": "object",
        "properties": {"day": {"type": "string"}, "pattern": {"type": "string"}},
    }
    assert chat["tools"][0]["function"]["parameters"] == plain
    assert chat["response_format"]["json_schema"]["schema"] == plain


def test_keywords_that_are_not_there() -> None:
    body = {"tools": TOOLS}
    assert sent(body, "schemas.const") == sent(body)


@pytest.mark.parametrize(
    ("body", "drop", "gone"),
    [
        ({"stream": True}, "stream_options", "stream_options"),
        ({"output_config": FORMAT}, "response_format", "response_format"),
        ({"tools": TOOLS, "tool_choice": {"type": "any"}}, "tool_choice", "tool_choice"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            "parallel_tool_calls",
            "parallel_tool_calls",
        ),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            "reasoning_effort",
            "reasoning_effort",
        ),
    ],
)
def test_fields(body: dict[str, Any], drop: str, gone: str) -> None:
    assert gone in sent(body)
    whole, shorter = sent(body), sent(body, drop)
    assert shorter == {key: value for key, value in whole.items() if key != gone}


def test_a_field_of_an_object() -> None:
    assert sent({"stream": True}, "stream_options.include_usage")["stream_options"] == {}
    assert sent({"stream": True}, "stream.x", "user.x") == sent({"stream": True})


@pytest.mark.parametrize(
    ("drop", "model", "limit"),
    [
        ((), "m", {"max_tokens": 9}),
        (("max_tokens",), "m", {"max_completion_tokens": 9}),
        (("max_completion_tokens",), "gpt-5", {"max_tokens": 9}),
        (("max_tokens", "max_completion_tokens"), "m", {}),
    ],
)
def test_a_limit_has_two_names(drop: tuple[str, ...], model: str, limit: dict[str, int]) -> None:
    chat = sent({"max_tokens": 9}, *drop, model=model)
    assert {key: value for key, value in chat.items() if "max" in key} == limit


def test_parts_of_cache_points() -> None:
    text = {"type": "text", "text": "Hi", "cache_control": POINT}
    body = {"system": [text], "messages": [{"role": "user", "content": [text]}]}
    whole = sent(
        {"cache_control": POINT}, "cache_control.ttl", model="qwen/q", host="openrouter.ai"
    )
    assert whole["cache_control"] == {"type": "ephemeral"}
    for drop, point in (((), POINT), (("cache_control.ttl",), {"type": "ephemeral"})):
        chat = sent(body, *drop, model="anthropic/claude-opus-5-5")
        assert [message["content"][0]["cache_control"] for message in chat["messages"]] == [
            point
        ] * 2
    chat = sent(body, "cache_control", model="anthropic/claude-opus-5-5")
    assert [message["content"] for message in chat["messages"]] == ["Hi", "Hi"]
