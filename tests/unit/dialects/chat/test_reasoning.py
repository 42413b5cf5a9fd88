from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.chat import reasoning
from tests.unit import chat_streams
from tests.unit.chat_streams import chunk
from tests.unit.chat_streams import streamed
from tests.unit.chat_streams import tool

SIGNED = {"type": "reasoning.text", "text": "Hm", "signature": "s", "index": 0}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "zzz", "id": "rs_1", "index": 1}
PLAIN = {"type": "reasoning.text", "text": "Hm", "index": 0}
EXTRA = {"google": {"thought_signature": "sig"}}


@pytest.mark.parametrize(
    "chunks, expected",
    [
        ([[SIGNED, ENCRYPTED]], [SIGNED, ENCRYPTED]),
        (
            [[{**PLAIN, "text": "H"}], [{**PLAIN, "text": "m"}], [{**PLAIN, "text": "", "signature": "s"}]],
            [SIGNED],
        ),
        ([[{"type": "reasoning.text", "text": "H"}], [{"type": "reasoning.text", "text": "m"}]],
         [{"type": "reasoning.text", "text": "Hm"}]),
        ([[PLAIN], [{**PLAIN, "text": None, "signature": "s"}]], [SIGNED]),
        ([[{"type": "reasoning.encrypted", "data": "a"}], [{"type": "reasoning.encrypted", "data": "b"}]],
         [{"type": "reasoning.encrypted", "data": "a"}, {"type": "reasoning.encrypted", "data": "b"}]),
        ([[PLAIN, "?", None, {**ENCRYPTED, "index": 0}]], [PLAIN, {**ENCRYPTED, "index": 0}]),
    ],
)  # fmt: skip
def test_merge(chunks: list[list[Any]], expected: list[Any]) -> None:
    details = reasoning.Details()
    for each in chunks:
        details.merge(each)
    assert details.whole() == expected


@pytest.mark.parametrize(
    "form, details, payload",
    [
        ("reasoning_content", [], ""),
        ("reasoning", [], "reasoning"),
        ("parts", [], "parts"),
        ("reasoning", [PLAIN], "reasoning"),
        ("reasoning", [ENCRYPTED | {"data": ""}], "reasoning"),
    ],
)
def test_payload(form: Any, details: list[Any], payload: str) -> None:
    assert reasoning.payload(form, details) == payload


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]
READ = {"name": "Read", "input_schema": {}}


@pytest.mark.parametrize(
    "reasoning, content, back",
    [
        ({"reasoning_content": "Hm"}, "a", {"content": "a", "reasoning_content": "Hm"}),
        ({"reasoning": "Hm"}, "a", {"content": "a", "reasoning": "Hm"}),
        ({"reasoning": "Hm", "reasoning_content": "Hm"}, "a", {"content": "a", "reasoning_content": "Hm"}),
        ({"reasoning": "Hm", "reasoning_details": [PLAIN]}, "a", {"content": "a", "reasoning": "Hm"}),
        (
            {"reasoning": "Hm", "reasoning_details": [SIGNED, ENCRYPTED]},
            "a",
            {"content": "a", "reasoning_details": [SIGNED, ENCRYPTED]},
        ),
        ({"reasoning_details": [ENCRYPTED]}, "a", {"content": "a", "reasoning_details": [ENCRYPTED]}),
        ({}, [*PARTS, {"type": "text", "text": "a"}], {"content": [*PARTS, {"type": "text", "text": "a"}]}),
    ],
)  # fmt: skip
def test_there_and_back(reasoning: dict[str, Any], content: Any, back: dict[str, Any]) -> None:
    """A provider gets its thinking back as it sent it; others get none of it."""
    whole = chat_streams.answered(reasoning | {"content": content})
    assert (
        streamed(chunk(content=content, **reasoning), chunk("stop"))["content"] == whole["content"]
    )
    body = {"messages": [{"role": "assistant", "content": whole["content"]}]}
    assert chat_streams.sent(body)["messages"] == [{"role": "assistant"} | back]
    other = chat_streams.sent(body, chat_streams.target(name="other"))["messages"]
    assert other == [{"role": "assistant", "content": "a"}]


def test_a_call_with_a_signature() -> None:
    """Gemini's, which comes with the first of several calls."""
    calls = [tool(0, "a", "Read", "{}") | {"extra_content": EXTRA}, tool(1, "b", "Read", "{}")]
    message = streamed(chunk(tool_calls=calls), chunk("stop"))
    assert [block["type"] for block in message["content"]] == ["thinking", "tool_use", "tool_use"]
    whole = chat_streams.answered({"tool_calls": calls})
    assert message["content"] == whole["content"]
    body = {"messages": [{"role": "assistant", "content": message["content"]}]}
    back = chat_streams.sent(body)["messages"][0]["tool_calls"]
    assert [call.get("extra_content") for call in back] == [EXTRA, None]


def test_signatures_need_a_tag() -> None:
    to = chat_streams.target(responses="keep")
    calls = [tool(0, "a", "Read", "{}") | {"extra_content": EXTRA}]
    message: dict[str, Any] = {"reasoning_details": [ENCRYPTED], "tool_calls": calls}
    for content in (
        streamed(chunk(**message), chunk("stop"), to=to)["content"],
        chat_streams.answered(message, to)["content"],
    ):
        assert [block["type"] for block in content] == ["tool_use"]


@pytest.mark.parametrize(
    "fields, carried",
    [
        ({"reasoning_content": "Hm"}, {}),
        ({"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]}, {}),
        ({"reasoning": "Hm", "reasoning_details": [SIGNED]}, {"reasoning_details": [SIGNED]}),
        ({"reasoning_details": [ENCRYPTED]}, {"reasoning_details": [ENCRYPTED]}),
    ],
)
def test_stripped_thinking_still_carries_what_must_return(
    fields: dict[str, Any], carried: dict[str, Any]
) -> None:
    """`Gemini models require OpenRouter reasoning details to be preserved in each request`."""
    to = chat_streams.target(responses="strip")
    calls = [tool(0, "a", "Read", "{}") | {"extra_content": EXTRA}, tool(1, "b", "Read", "{}")]
    message: dict[str, Any] = {**fields, "tool_calls": calls}
    for content in (
        streamed(chunk(**message), chunk("stop"), to=to)["content"],
        chat_streams.answered(message, to)["content"],
    ):
        assert [block["thinking"] for block in content if block["type"] == "thinking"] == [
            "" for _ in [*carried, EXTRA]
        ]
        body = {"messages": [{"role": "assistant", "content": content}]}
        back = chat_streams.sent(body, to)["messages"][0]
        assert {key: back[key] for key in back if key.startswith("reasoning")} == carried
        assert [call.get("extra_content") for call in back["tool_calls"]] == [EXTRA, None]


def test_signed_and_plain_in_one_message() -> None:
    signed = chat_streams.answered({"reasoning_details": [SIGNED]})["content"]
    plain = chat_streams.answered({"reasoning": "Uh"})["content"]
    body = {"messages": [{"role": "assistant", "content": plain + signed}]}
    message = chat_streams.sent(body)["messages"][0]
    assert message["reasoning_details"] == [{"type": "reasoning.text", "text": "Uh"}, SIGNED]


@pytest.mark.parametrize("payload", ["?", "AAAA", "abc", "bnVsbA==", "W10="])
def test_a_payload_that_is_not_ours(payload: str) -> None:
    block = {"type": "thinking", "thinking": "Hm", "signature": f"route:acme:{payload}"}
    body = {"messages": [{"role": "assistant", "content": [block]}]}
    message = json.loads(chat_streams.call(body).body)["messages"][0]
    assert message["reasoning_content"] == "Hm"
