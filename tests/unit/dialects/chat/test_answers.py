from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.chat import answers
from tests.unit import chat_streams
from tests.unit.chat_streams import answered
from tests.unit.chat_streams import tool


def test_message() -> None:
    message = {
        "content": "Hello",
        "reasoning_content": "Hm",
        "tool_calls": [tool(None, "a", "Read", '{"p": 1}')],
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 3}
    assert answered(message, finish="tool_calls", usage=usage, model="acme-7b") == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "route:acme:"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "a", "name": "Read", "input": {"p": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "responses, first", [("strip", None), ("keep", {"signature": ""}), ("tag", {"signature": "route:acme:"})]
)  # fmt: skip
def test_thinking(responses: str, first: Any) -> None:
    to = chat_streams.target(responses=responses)
    content = answered({"content": "a", "reasoning_content": "Hm"}, to)["content"]
    thought = [{"type": "thinking", "thinking": "Hm"} | first] if first else []
    assert content == [*thought, {"type": "text", "text": "a"}]


@pytest.mark.parametrize("content", [None, "", " \n", []])
def test_never_without_content(content: Any) -> None:
    assert answered({"content": content})["content"] == [
        {"type": "text", "text": "[No message content]"}
    ]


@pytest.mark.parametrize(
    "finish, calls, expected",
    [
        ("stop", [], "end_turn"),
        (None, [], "end_turn"),
        ("tool_calls", [], "end_turn"),
        ("length", [], "max_tokens"),
        ("content_filter", [], "refusal"),
        ("stop", ["{}"], "tool_use"),
        ("content_filter", ["{}"], "tool_use"),
        ("length", ["{}"], "tool_use"),
        ("length", [""], "tool_use"),
        ("length", ["{}", '{"p":'], "max_tokens"),
        (None, ['{"p":'], "max_tokens"),
        ("stop", ['{"p":'], "tool_use"),
        ("max_tokens", ['{"p":'], "max_tokens"),
        ("model_context_window_exceeded", [], "model_context_window_exceeded"),
        ("guardrail_intervened", [], "refusal"),
    ],
)
def test_stop_reason(finish: str | None, calls: list[str], expected: str) -> None:
    tool_calls = [tool(None, f"c{n}", "Read", arguments) for n, arguments in enumerate(calls)]
    message = answered({"content": "a", "tool_calls": tool_calls}, finish=finish)
    assert message["stop_reason"] == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"a": 1.50}', '{"a": 1.50}'),
        ("", "{}"),
        ("null", "{}"),
        ("[1]", "{}"),
        ('{"a":', "{}"),
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ('"no"', "{}"),
        ('{"a": "b\nc"}', '{"a": "b\\nc"}'),
        ('{"a": "\\ud83e"}', '{"a": "\\ufffd"}'),
        ("[" * 100_000, "{}"),
    ],
)
def test_arguments(text: str, expected: str) -> None:
    assert answers.arguments(text).decode() == expected


@pytest.mark.parametrize(
    "ids, expected",
    [
        (["call_1", "b"], ["call_1", "b"]),
        (["functions.Read:0"], ["route_ZnVuY3Rpb25zLlJlYWQ6MA"]),
        (["a", "a"], ["a", "toolu_2"]),
        (["", None], ["toolu_2", "toolu_3"]),
    ],
)
def test_ids(ids: list[str | None], expected: list[str]) -> None:
    calls = [tool(None, id, "Read", "{}") for id in ids]
    content = answered({"tool_calls": calls})["content"]
    # The message's own id is made last.
    assert [block["id"] for block in content] == [id.replace("_2", "_1").replace("_3", "_2") for id in expected]  # fmt: skip


def test_calls_of_several_choices_have_ids_of_their_own() -> None:
    """Copilot's answers have the text in one choice, and calls in another."""
    message = {"tool_calls": [tool(None, "a", "Read", "{}")]}
    body = json.dumps({"choices": [{"message": message}, {"message": message}]}).encode()
    content = json.loads(chat_streams.call({}).answer(body))["content"]
    assert len({block["id"] for block in content}) == 2


def test_a_call_without_a_name_is_dropped() -> None:
    message = answered({"content": "a", "tool_calls": [{"id": "a", "function": None}]})
    assert (len(message["content"]), message["stop_reason"]) == (1, "end_turn")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"choices":[]}', b'{"choices":[{"delta":{}}]}', b'{"error":{"message":"a"}}', b"[" * 10**5],
)  # fmt: skip
def test_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"xpected"):
        chat_streams.call({}).answer(body)


def test_half_an_emoji() -> None:
    body = b'{"choices":[{"message":{"content":"a\\ud83e"}}]}'
    content = json.loads(chat_streams.call({}).answer(body))["content"]
    assert content == [{"type": "text", "text": "a\ufffd"}]
