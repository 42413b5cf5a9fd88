from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from claude_route.dialects import fold as dialects_fold
from claude_route.dialects import usage
from claude_route.dialects.chat import fold
from tests.unit.flows import wire


def chunk(delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, **fields}
    return {"id": "gen-1", "model": "qwen3", "choices": [choice]}


def call(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments, **fields}}


CHAT = wire(
    b": OPENROUTER PROCESSING\n\n",
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm"}),
    chunk({"reasoning_content": "m."}),
    chunk({"content": "Let me "}),
    chunk({"content": "look."}),
    chunk({"tool_calls": [{"id": "call_1", **call(0, "", name="Bash")}]}),
    chunk({"tool_calls": [call(0, '{"command":')]}),
    chunk({"tool_calls": [{"id": "call_2", **call(1, '{"path"', name="Read")}]}),
    chunk({"tool_calls": [call(0, '"ls"}')]}),
    chunk({"tool_calls": [call(1, ':"a"}')]}),
    chunk({}, finish_reason="tool_calls"),
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}},
    b"data: [DONE]\n\n",
)

CHAT_BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hmm."},
    {"type": "text", "text": "Let me look."},
    {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"command": "ls"}},
    {"type": "tool_use", "id": "call_2", "name": "Read", "input": {"path": "a"}},
]


def test_a_stream_of_chat_completions() -> None:
    assert fold.stream(CHAT) == dialects_fold.Answer(
        id="gen-1",
        model="qwen3",
        blocks=CHAT_BLOCKS,
        stop="tool_calls",
        usage=usage.Usage(9, 5),
        complete=True,
        events=13,
    )


def test_a_whole_completion() -> None:
    message = {
        "role": "assistant",
        "reasoning_content": "Hmm.",
        "content": "Let me look.",
        "tool_calls": [
            {"id": "call_1", "function": {"name": "Bash", "arguments": '{"command":"ls"}'}},
            {"id": "call_2", "function": {"name": "Read", "arguments": '{"path":"a"}'}},
        ],
    }
    body = {
        "id": "gen-1",
        "model": "qwen3",
        "choices": [{"message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5},
    }
    assert fold.body(json.dumps(body).encode()) == dataclasses.replace(fold.stream(CHAT), events=0)


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(CHAT, id="lf"),
        pytest.param(CHAT.replace(b"\n", b"\r\n"), id="crlf"),
    ],
)
def test_cuts_make_no_difference(whole: bytes) -> None:
    expected = fold.stream(whole)
    for place in range(len(whole) + 1):
        folding = fold.Fold()
        folding.feed(whole[:place])
        so_far = folding.answer()
        assert so_far.unread == 0, "a cut event is none yet"
        folding.feed(whole[place:])
        assert folding.answer() == expected, place


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(
            [{"id": f"call_{n}", **call(0, '{"a":1}', name="Bash")} for n in (1, 2)],
            id="one index for all, as Gemini has it",
        ),
        pytest.param(
            [{"id": f"call_{n}", **call(n, '{"a":1}', name="Bash")} for n in (1, 2, 2)],
            id="repeated",
        ),
        pytest.param(
            [
                {"id": f"call_{n}", "function": {"name": "Bash", "arguments": '{"a":1}'}}
                for n in (1, 2)
            ],
            id="no index",
        ),
    ],
)
def test_calls_are_distinguished_as_in_translation(calls: list[dict[str, Any]]) -> None:
    expected = [
        {"type": "tool_use", "id": f"call_{n}", "name": "Bash", "input": {"a": 1}} for n in (1, 2)
    ]
    assert fold.stream(wire(*(chunk({"tool_calls": [one]}) for one in calls))).blocks == expected
    assert fold.stream(wire(chunk({"tool_calls": calls}))).blocks == expected


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (b"event: error\ndata: gone away\n\n", ("error", "gone away")),
        (b'data: {"error":{"message":"no","code":502}}\n\n', ("502", "no")),
        (b'data: {"type":"error","error":{"type":"api_error"}}\n\n', ("api_error", "")),
    ],
)
def test_an_error_in_a_stream(event: bytes, error: tuple[str, str]) -> None:
    answer = fold.stream(wire(chunk({"content": "Hi"})) + event)
    assert (answer.error, answer.complete, answer.unread) == (error, False, 0)


@pytest.mark.parametrize(
    "event",
    [
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        b"data: {}\n\n",
        b"data: \xff\n\n",
        b"data: " + b"[" * 5000 + b"\n\n",
        b'data: {"choices":[{"delta":3}]}\n\n',
        b'data: {"type":"message_stop"}\n\n',
    ],
)
def test_what_can_not_be_read_is_counted(event: bytes) -> None:
    answer = fold.stream(wire(chunk({"content": "Hi"})) + event + b"data: [DONE]\n\n")
    assert (answer.unread, answer.events, answer.complete) == (1, 3, True)


def test_pings_are_no_words() -> None:
    answer = fold.stream(b'event: ping\ndata: {}\n\ndata: {"type":"ping"}\n\n')
    assert (answer.pings, answer.events, answer.unread) == (2, 2, 0)


def test_half_of_a_surrogate_pair() -> None:
    answer = fold.stream(b'data: {"choices":[{"delta":{"content":"\\ud83e"}}]}\n\n')
    assert answer.blocks == [{"type": "text", "text": "\ufffd"}]


def test_an_error_body() -> None:
    assert fold.body(b'{"error":"no such model"}').error == ("error", "no such model")
