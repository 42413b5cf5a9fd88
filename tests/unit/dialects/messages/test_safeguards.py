from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects import conversion
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import safeguards
from claude_route.wire import sse

CONTEXT = {"v": 1, "rules": {"deny": []}}
WANTED = {"type": "dangerous_tool_use", "classifier_context": CONTEXT}
TEXT = {"type": "text", "text": 'says "tool_use"'}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls <x>"}}
VERDICTS = {"toolu_1": safeguards.flagged("It deletes.")}
AVAILABLE = [
    {
        "type": "dangerous_tool_use",
        "status": {
            "type": "available",
            "tool_uses": {
                "toolu_1": {
                    "type": "evaluated",
                    "outcome": "flagged",
                    "explanation": "It deletes.",
                }
            },
        },
    }
]
UNSUPPORTED = [{"type": "dangerous_tool_use", "status": {"type": "unsupported"}}]


def request(**fields: Any) -> requests.Request:
    return requests.read(json.dumps({"model": "glm", "messages": [], **fields}).encode())


def whole(*blocks: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "glm",
            "content": blocks,
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 2},
        }
    ).encode()


@pytest.mark.parametrize(
    ("wanted", "context"),
    [
        ([WANTED], CONTEXT),
        ([{"type": "another"}, WANTED], CONTEXT),
        ([{"type": "dangerous_tool_use"}], None),
    ],
)
def test_the_context_of_a_check(wanted: Any, context: Any) -> None:
    raw = safeguards.context(request(safeguards=wanted))
    assert raw is not None
    assert json.loads(bytes(raw)) == context


@pytest.mark.parametrize("wanted", [None, [], {}, "x", [1], [{"type": 3}], [{"type": "another"}]])
def test_without_a_check(wanted: Any) -> None:
    assert safeguards.context(request(safeguards=wanted)) is None
    assert safeguards.context(request()) is None


@pytest.mark.parametrize(
    ("fields", "is_check"),
    [
        ({"stop_sequences": ["</block>"]}, True),
        ({"stop_sequences": ["x", "</severity>"], "stream": False}, True),
        ({"stop_sequences": ["</block>"], "stream": True}, False),
        ({"stop_sequences": ["block"]}, False),
        ({"stop_sequences": None}, False),
        ({"system": "</block>"}, False),
        ({}, False),
    ],
)
def test_claude_codes_own_checks(fields: dict[str, Any], is_check: bool) -> None:
    assert safeguards.is_check(request(**fields)) is is_check


@pytest.mark.parametrize("is_stream", [True, False])
def test_the_calls_of_an_answer(is_stream: bool) -> None:
    second = CALL | {"id": "toolu_2", "input": {}}
    server = CALL | {"type": "server_tool_use", "id": "srvtoolu_1"}
    answer = whole(TEXT, CALL, server, second)
    listed = safeguards.calls(conversion.streamed(answer) if is_stream else answer)
    assert listed == [
        ("toolu_1", "Bash", {"command": "ls <x>"}),
        ("toolu_2", "Bash", {}),
    ]
    text = whole({"type": "text", "text": "hi"})
    assert safeguards.calls(conversion.streamed(text) if is_stream else text) == []


def test_a_call_that_was_cut_off_has_no_input() -> None:
    stream = conversion.streamed(whole(CALL))
    cut = stream.replace(b"ls <x>", b"ls").replace(b'\\"}"', b'"')
    (call,) = safeguards.calls(cut)
    assert call.input is None


@pytest.mark.parametrize(("verdicts", "results"), [(VERDICTS, AVAILABLE), (None, UNSUPPORTED)])
def test_verdicts_go_into_the_last_delta(verdicts: Any, results: Any) -> None:
    stream = conversion.streamed(whole(TEXT, CALL))
    given, ending = safeguards.split(stream)
    assert given + ending == stream
    assert ending.startswith(b"event: message_delta\n")
    made = safeguards.with_results(ending, verdicts)
    before, after = sse.Decoder().feed(ending), sse.Decoder().feed(made)
    assert [event.name for event in after] == ["message_delta", "message_stop"]
    assert after[1] == before[1]
    expected = json.loads(before[0].data)
    expected["delta"]["safeguard_results"] = results
    assert json.loads(after[0].data) == expected


@pytest.mark.parametrize(("verdicts", "results"), [(VERDICTS, AVAILABLE), (None, UNSUPPORTED)])
def test_verdicts_of_a_whole_answer(verdicts: Any, results: Any) -> None:
    answer = whole(TEXT, CALL)
    assert safeguards.split(answer) == (b"", answer)
    made = json.loads(safeguards.with_results(answer, verdicts))
    assert made == json.loads(answer) | {"safeguard_results": results}


def test_an_explanation_is_one_short_line() -> None:
    explained = safeguards.flagged("It\ndeletes\x1b[2J " + "x" * 1000)["explanation"]
    assert "\n" not in explained
    assert len(explained) <= safeguards.LONGEST
    assert safeguards.flagged(" ") == {"type": "evaluated", "outcome": "flagged"}
