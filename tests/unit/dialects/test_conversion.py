from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects import conversion
from claude_route.wire import sse
from tests import strict_client

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 5, "service_tier": "standard"},
}
CONTENTS = [
    pytest.param([], id="nothing"),
    pytest.param([{"type": "text", "text": "Hello é 😀"}], id="text"),
    pytest.param([{"type": "text", "text": ""}], id="empty text"),
    pytest.param(
        [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "Hi"},
        ],
        id="thinking",
    ),
    pytest.param([{"type": "thinking", "thinking": "", "signature": "s"}], id="omitted thinking"),
    pytest.param(
        [
            {"type": "tool_use", "id": "a", "name": "Bash", "input": {"command": "ls", "n": [1]}},
            {"type": "tool_use", "id": "b", "name": "Bash", "input": {}},
        ],
        id="calls",
    ),
    pytest.param(
        [
            {"type": "server_tool_use", "id": "srvtoolu_a", "name": "web", "input": {"q": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_a", "content": [{"a": 1}]},
            {"type": "text", "text": "Hi", "citations": [{"url": "https://a"}]},
        ],
        id="server tools",
    ),
]


def joined(wire: bytes, place: int) -> dict[str, Any]:
    joiner = conversion.Joiner()
    joiner.feed(wire[:place])
    joiner.feed(wire[place:])
    message: dict[str, Any] = json.loads(joiner.whole())
    return message


@pytest.mark.parametrize("content", CONTENTS)
def test_there_and_back(content: list[dict[str, Any]]) -> None:
    message = MESSAGE | {"content": content, "stop_details": {"a": 1}}
    wire = conversion.streamed(json.dumps(message).encode())
    for place in range(0, len(wire), 7):
        assert joined(wire, place) == message


@pytest.mark.parametrize("content", CONTENTS[:6])
def test_a_strict_client_reads_it(content: list[dict[str, Any]]) -> None:
    message = MESSAGE | {"content": content}
    assert strict_client.fold([conversion.streamed(json.dumps(message).encode())]) == message


def test_pings_and_comments_are_no_part_of_an_answer() -> None:
    wire = conversion.streamed(json.dumps(MESSAGE).encode())
    noise = b': hm\n\nevent: ping\ndata: {"type": "ping"}\n\n'
    assert joined(noise + wire.replace(b"\n\n", b"\n\n" + noise), 0) == MESSAGE


def test_input_that_is_cut_off_is_left_empty() -> None:
    content = [{"type": "tool_use", "id": "a", "name": "Bash", "input": {"command": "ls"}}]
    wire = conversion.streamed(json.dumps(MESSAGE | {"content": content}).encode())
    (call,) = joined(wire.replace(rb"\"ls\"}", rb"\"ls"), 0)["content"]
    assert call["input"] == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"no"])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        conversion.streamed(body)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "message_start", "message": []},
        {"type": "message_delta"},
        {"type": "message_delta", "delta": "", "usage": {}},
        {"type": "message_delta", "delta": {}, "usage": "0"},
        {"type": "message_delta", "delta": {"usage": 1}, "usage": {"output_tokens": 1}},
    ],
)
def test_an_event_of_other_types_is_no_failure(event: dict[str, Any]) -> None:
    joiner = conversion.Joiner()
    joiner.feed(sse.encode(event["type"], json.dumps(event).encode()))
    joiner.feed(sse.encode(event["type"], json.dumps(event).encode()))
    assert json.loads(joiner.whole())["content"] == []
