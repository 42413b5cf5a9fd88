from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects.chat import calls
from claude_route.dialects.chat import completions
from tests import growth
from tests.unit.chat_streams import tool


def find(pieces: list[dict[str, Any]]) -> list[int]:
    """The number of the call that each piece belongs to."""
    assembled = calls.Calls()
    found = []
    for fields in pieces:
        piece = msgspec.convert(fields, completions.ToolCall)
        call, _ = assembled.add(piece)
        found.append(assembled.all.index(call))
    return found


@pytest.mark.parametrize(
    "pieces, expected",
    [
        ([tool(0, "a", "R", ""), tool(0, None, None, "{}"), tool(1, "b", "R", "")], [0, 0, 1]),
        ([tool(1, "b", "R", ""), tool(0, "a", "R", ""), tool(1, None, None, "{}")], [0, 1, 0]),
        # The same index
        ([tool(0, "a", "R", "{}"), tool(0, "b", "R", "{}")], [0, 1]),
        ([tool(0, "a", "R", "{}"), tool(0, "b", "R", ""), tool(0, None, None, "{}")], [0, 1, 1]),
        ([tool(0, None, "R", "{}"), tool(0, None, "R", "{}")], [0, 1]),
        ([tool(0, "a", "R", "{"), tool(0, "b", "R", "}")], [0, 0]),
        ([tool(0, "a", "R", "{}"), tool(0, "a", "R", "{}")], [0, 0]),
        ([tool(0, None, None, "{}"), tool(0, "a", "R", "")], [0, 0]),
        ([tool(0, None, "R", "{}"), tool(0, "a", "R", "")], [0, 0]),
        ([tool(0, "a", "R", "{}"), tool(0, None, "R", " ")], [0, 0]),
        ([tool(0, "a", "R", ""), tool(0, "b", "S", "{}"), tool(0, "b", None, " ")], [0, 1, 1]),
        ([tool(0, "a", "R", ""), tool(0, "b", "S", "")], [0, 1]),
        ([tool(0, None, "R", ""), tool(0, None, "S", "")], [0, 1]),
        ([tool(0, "a", "R", ""), tool(0, "b", "R", "{}")], [0, 0]),
        # No index
        ([tool(None, "a", "R", "{"), tool(None, None, None, "}"), tool(None, "b", "R", "")], [0, 0, 1]),
        ([tool(None, "a", "R", "{"), tool(None, "b", "R", "{"), tool(None, "a", None, "}")], [0, 1, 0]),
        ([tool(None, None, "R", "{}"), tool(None, None, "R", "{}")], [0, 1]),
        ([tool(None, None, "R", ""), tool(None, None, "R", "{}")], [0, 0]),
        ([tool(None, None, "R", ""), tool(None, None, "S", "{}")], [0, 1]),
    ],
)  # fmt: skip
def test_find(pieces: list[dict[str, Any]], expected: list[int]) -> None:
    assert find(pieces) == expected


@pytest.mark.parametrize(
    "arguments, complete",
    [
        ([], False),
        ([""], False),
        (['{"a": {}'], False),
        (['{"a": {}', "}\n"], True),
        (['{"a": "}'], False),
        (["null"], False),
        (["{}", " "], True),
    ],
)
def test_is_complete(arguments: list[str], complete: bool) -> None:
    call = calls.Call()
    for piece in arguments:
        call.add(piece)
    assert call.is_complete() is complete


def test_can_start() -> None:
    call = calls.Call()
    assert not call.can_start()
    call.name = "R"
    assert not call.can_start()
    call.add("{}")
    assert call.can_start(), "the id may never come"
    call = calls.Call()
    call.name, call.id = "R", "a"
    assert call.can_start()


@pytest.mark.parametrize(
    "before, after, out",
    [
        (['{"a"'], [":1}"], ['{"a"', ":1}", ""]),
        ([], ['{"a"', ":1}"], ["", '{"a"', ":1}", ""]),
        (["{}"], [], ["", "{}"]),
        (["null"], [], ["", "{}"]),
        ([], [], ["", "{}"]),
    ],
)
def test_what_goes_out_when(before: list[str], after: list[str], out: list[str]) -> None:
    """When its block opens, with each later piece, and at its end."""
    call = calls.Call()
    call.arguments = list(before)
    call.wait()
    assert call.grown("") == "", "it has no block yet"
    sent = [call.open()]
    for piece in after:
        call.arguments.append(piece)
        sent.append(call.grown(piece))
    assert [*sent, call.close()] == out
    assert call.grown("more") == ""


def test_arguments_that_are_a_string_take_linear_time() -> None:
    """They are held until all have arrived. Joining them for each piece took seconds for 100 KB."""

    def arrive(length: int) -> None:
        call = calls.Call()
        call.name = call.id = "x"
        call.wait()
        text = json.dumps(json.dumps({"command": "x" * length}))
        call.open()
        for at in range(0, len(text), 4):
            assert call.grown(call.add(text[at : at + 4])) == ""
        assert json.loads(call.close("tool_calls")) == {"command": "x" * length}

    assert growth.of(arrive, 50_000) < growth.LINEAR
