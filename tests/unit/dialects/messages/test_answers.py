from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from claude_route.dialects.messages import answers
from claude_route.dialects.messages import requests

MESSAGE: dict[str, Any] = {
    "id": "msg_upstream",
    "type": "message",
    "role": "assistant",
    "model": "glm-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 5},
}
OWN = {"id": "msg_1"}
"""What differs in every answer."""


def context(conversation: bytes = b"{}") -> answers.Context:
    """Its new ids are 1, 2, 3 and so on."""
    return answers.Context("glm", conversation, map(str, itertools.count(1)).__next__)


def repaired(message: Any, conversation: bytes = b"{}") -> dict[str, Any]:
    body = json.dumps(message).encode()
    made: dict[str, Any] = json.loads(answers.repaired(body, context(conversation)))
    return made


def call(id: Any = "a", name: Any = "Bash", input: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input or {}, **more}


def test_only_its_id_is_changed() -> None:
    assert repaired(MESSAGE) == MESSAGE | OWN


def test_what_we_do_not_know_stays() -> None:
    message = MESSAGE | {"container": {"id": "c"}, "content": [{"type": "new", "x": [1]}]}
    assert repaired(message) == message | OWN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"id": None, "role": "model", "type": "message"}, {}, id="envelope"),
        pytest.param({"model": None}, {"model": "glm"}, id="model"),
        pytest.param({"stop_reason": "stop"}, {}, id="stop"),
        pytest.param({"stop_reason": None}, {}, id="no stop"),
        pytest.param({"stop_reason": {}}, {}, id="stop of another type"),
        pytest.param({"stop_reason": "length"}, {"stop_reason": "max_tokens"}, id="length"),
        pytest.param({"stop_reason": "refusal"}, {"stop_reason": "refusal"}, id="refusal"),
        pytest.param({"stop_sequence": 7}, {}, id="stop sequence of another type"),
        pytest.param(
            {"usage": None}, {"usage": {"input_tokens": 0, "output_tokens": 0}}, id="no usage"
        ),
        pytest.param(
            {"usage": {"input_tokens": "3", "output_tokens": 5.0, "cache_read_input_tokens": None}},
            {"usage": {"input_tokens": 0, "output_tokens": 5}},
            id="usage of other types",
        ),
        pytest.param(
            {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
            {
                "usage": {
                    "input_tokens": 3,
                    "output_tokens": 5,
                    "prompt_tokens": 3,
                    "completion_tokens": 5,
                }
            },
            id="usage in another API's words",
        ),
        pytest.param(
            {"content": []},
            {"content": [{"type": "text", "text": requests.EMPTY}]},
            id="no content",
        ),
        pytest.param({"content": [7, None, {}, *MESSAGE["content"]]}, {}, id="no blocks"),
        pytest.param({"content": MESSAGE["content"][0]["text"]}, {}, id="a string"),
        pytest.param({"content": [MESSAGE["content"][0]["text"]]}, {}, id="strings"),
        pytest.param({"stop_reason": "MAX_TOKENS"}, {"stop_reason": "max_tokens"}, id="Gemini's word"),
        pytest.param({"stop_reason": "sensitive"}, {"stop_reason": "refusal"}, id="Z.ai's word"),
        pytest.param(
            {"content": [{"type": "text"}, {"type": "thinking", "thinking": "Hm"}]},
            {
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": ""},
                ]
            },
            id="fields that are missing",
        ),
        pytest.param(
            {"content": [call("a", input={"x": 1}), call("b", input='{"x": 2}')]},
            {
                "content": [call("a", input={"x": 1}), call("b", input={"x": 2})],
                "stop_reason": "tool_use",
            },
            id="calls",
        ),
        pytest.param(
            {"content": [call("a", input="ls"), call(None, input=[1]), call("a"), call("", "x")]},
            {
                "content": [call("a"), call("toolu_1"), call("toolu_2"), call("toolu_3", "x")],
                "stop_reason": "tool_use",
                "id": "msg_4",
            },
            id="ids",
        ),
        pytest.param({"content": [call(name=""), *MESSAGE["content"]]}, {}, id="a call without a name"),
        pytest.param({"base_resp": {"status_code": 0}}, {"base_resp": {"status_code": 0}}, id="MiniMax"),
    ],
)  # fmt: skip
def test_repairs(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert repaired(MESSAGE | changes) == MESSAGE | OWN | expected


@pytest.mark.parametrize("left_out", ["type", "role", "id", "stop_sequence"])
def test_a_field_that_is_missing(left_out: str) -> None:
    message = {key: value for key, value in MESSAGE.items() if key != left_out}
    assert repaired(message) == MESSAGE | OWN


@pytest.mark.parametrize(
    ("conversation", "is_new"),
    [
        ({"messages": []}, True),
        ({"messages": [{"role": "user", "content": "say call_0, or “call_0”"}]}, True),
        ({"messages": [{"role": "assistant", "content": [call("call_01")]}]}, True),
        ({"messages": [{"role": "assistant", "content": [call("call_0")]}]}, False),
    ],
)
def test_ids_are_new_to_the_conversation(conversation: Any, is_new: bool) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        body = json.dumps(conversation, separators=separators).encode()
        (block,) = repaired(MESSAGE | {"content": [call("call_0")]}, body)["content"]
        assert block["id"] == ("call_0" if is_new else "toolu_1")


NO_ANSWERS = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"<html>",
    b'{"type":"message"}',
    b'{"type":"message","content":null}',
    b'{"type":"message","content":{"text":"Hi"}}',
    b'{"type":"error","content":[]}',
    b'{"type":"error","error":{"type":"api_error","message":"No"}}',
    b'{"code":500,"msg":"404 NOT_FOUND","success":false}',
    b'{"choices":[{"message":{"content":"Hi"}}]}',
]


@pytest.mark.parametrize("reason", ["network_error", "abort", "MALFORMED_FUNCTION_CALL"])
def test_an_answer_that_its_provider_could_not_complete(reason: str) -> None:
    with pytest.raises(ValueError, match=f"the provider ended its answer with {reason}"):
        repaired(MESSAGE | {"stop_reason": reason})


@pytest.mark.parametrize("body", NO_ANSWERS)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        answers.check(body)
    with pytest.raises(ValueError, match="expected"):
        answers.repaired(body, context())


@pytest.mark.parametrize(
    "fields",
    [
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        {"success": False, "msg": "No"},
        {"type": None, "error": {"message": "No"}},
    ],
)
def test_an_error_beside_content(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        repaired(MESSAGE | {"content": []} | fields)


def test_an_answer() -> None:
    answers.check(json.dumps(MESSAGE).encode())
    answers.check_count(b'{"input_tokens": 3}')
    with pytest.raises(ValueError, match="expected"):
        answers.check_count(json.dumps(MESSAGE).encode())


def test_no_verdicts_about_its_own_calls() -> None:
    assert repaired(MESSAGE | {"safeguard_results": [{"type": "x"}]}) == MESSAGE | OWN
