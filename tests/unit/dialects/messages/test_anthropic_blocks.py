"""Single blocks; tests of whole conversations are in test_anthropic_history."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects.messages import anthropic_blocks
from claude_route.dialects.messages import assistant_blocks

CALL = {"type": "tool_use", "id": "a", "name": "Bash", "input": {}}
POINT = {"type": "ephemeral"}


def decoded(block: dict[str, Any]) -> tuple[msgspec.Raw, assistant_blocks.Block]:
    wire = msgspec.json.encode(block)
    return msgspec.Raw(wire), msgspec.json.decode(wire, type=assistant_blocks.Block)


@pytest.mark.parametrize(
    "given, id, sent",
    [
        (CALL, "a", CALL),
        (CALL, "b", CALL | {"id": "b"}),
        (CALL | {"cache_control": POINT, "x": 1}, "a", CALL | {"cache_control": POINT}),
        (CALL | {"id": "toolu_1", "caller": {}}, "toolu_1", CALL | {"id": "toolu_1", "caller": {}}),
        (CALL | {"name": "a.b c"}, "a", CALL | {"name": "a_b_c"}),
        (CALL | {"name": "x" * 129}, "a", CALL | {"name": "x" * 128}),
        (CALL | {"input": "[1]"}, "a", CALL),
        (CALL | {"input": '{"a": [1]}'}, "a", CALL | {"input": {"a": [1]}}),
        (CALL | {"input": [1]}, "a", CALL),
    ],
)
def test_call(given: dict[str, Any], id: str, sent: dict[str, Any]) -> None:
    raw, block = decoded(given)
    changed = anthropic_blocks.call(raw, block, id)
    assert json.loads(bytes(changed)) == sent
    assert (changed is raw) == (given == sent)


def test_a_result_keeps_its_identity() -> None:
    raw, block = decoded({"type": "tool_result", "tool_use_id": "a", "content": "x"})
    assert anthropic_blocks.result(raw, block, "a") is raw
    assert b'"tool_use_id":"b"' in bytes(anthropic_blocks.result(raw, block, "b"))


def test_a_text_keeps_the_cache_point() -> None:
    raw, block = decoded({"type": "x_tool_result", "content": "y", "cache_control": POINT})
    assert json.loads(bytes(anthropic_blocks.as_text(raw, block))) == {
        "type": "text",
        "text": "[x_tool_result: y]",
        "cache_control": POINT,
    }
