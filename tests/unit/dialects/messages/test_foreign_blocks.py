from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects import call_ids
from claude_route.dialects.messages import foreign_blocks
from claude_route.dialects.messages import requests

SCOPED = {"type": "ephemeral", "scope": "global", "ttl": "1h"}
UNSCOPED = {"type": "ephemeral", "ttl": "1h"}
TEXT = {"type": "text", "text": "hi"}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"scope": 1, "type": "fallback"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
EMPTY = {"type": "text", "text": "[No message content]"}
KIMIS = "functions.Bash:0"
ENCODED = "route_ZnVuY3Rpb25zLkJhc2g6MA"


def reminder(text: str) -> dict[str, Any]:
    return {"type": "text", "text": f"<system-reminder>\n{text}\n</system-reminder>"}


def history(*turns: tuple[str, Any]) -> list[requests.Message]:
    return [requests.Message(role, msgspec.Raw(json.dumps(c).encode())) for role, c in turns]


def plain(turns: list[requests.Message]) -> list[tuple[str, Any]]:
    return [(turn.role, json.loads(bytes(turn.content))) for turn in turns]


@pytest.mark.parametrize(
    "content, cleaned",
    [
        pytest.param(
            [TEXT, {**TEXT, "cache_control": SCOPED}],
            [TEXT, {**TEXT, "cache_control": UNSCOPED}],
            id="scope",
        ),
        pytest.param(
            [{**RESULT, "cache_control": SCOPED, "content": [{**TEXT, "cache_control": SCOPED}]}],
            [
                {
                    **RESULT,
                    "cache_control": UNSCOPED,
                    "content": [{**TEXT, "cache_control": UNSCOPED}],
                }
            ],
            id="scope, nested",
        ),
        pytest.param(
            [{**RESULT, "content": [{"type": "tool_reference", "tool_name": "Grep"}]}, TEXT],
            [
                {
                    **RESULT,
                    "content": [{"type": "text", "text": "[The tool Grep can be called now]"}],
                },
                TEXT,
            ],
            id="tool reference",
        ),
        pytest.param(
            [
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                TEXT,
                {"type": "mcp_tool_use", "id": "x"},
                {"type": "mcp_tool_result", "content": [TEXT]},
                {"type": "advisor_tool_result", "content": {"x": 1}},
                {"type": "container_upload", "file_id": "f"},
                {"type": "fallback"},
                CALL,
            ],
            [TEXT, CALL],
            id="of servers",
        ),
        pytest.param(
            [{"type": "compaction", "content": "so far"}, {"type": "compaction", "content": None}],
            [{"type": "text", "text": "so far"}],
            id="compaction",
        ),
        pytest.param([{"type": "fallback"}], [EMPTY], id="nothing left"),
        pytest.param(
            [{**TEXT, "text": ""}, {**TEXT, "text": " \n"}, CALL], [CALL], id="blank texts"
        ),
        pytest.param(
            [{**RESULT, "content": [{**TEXT, "text": ""}]}],
            [{**RESULT, "content": "[No output]"}],
            id="a result with a blank text",
        ),
        pytest.param(
            [{**CALL, "id": ENCODED}, {**RESULT, "tool_use_id": ENCODED}],
            [{**CALL, "id": KIMIS}, {**RESULT, "tool_use_id": KIMIS}],
            id="an id of the provider's own",
        ),
    ],
)
def test_blocks(content: list[dict[str, Any]], cleaned: list[dict[str, Any]]) -> None:
    turns = foreign_blocks.turns(history(("user", content), ("assistant", content)))
    assert plain(turns) == [("user", cleaned), ("assistant", cleaned)]


def test_claude_gets_ids_in_anthropics_characters() -> None:
    content = [{**CALL, "id": KIMIS}, {**RESULT, "tool_use_id": KIMIS}]
    turns = foreign_blocks.turns(history(("assistant", content)), call_ids.short)
    assert plain(turns) == [
        ("assistant", [{**CALL, "id": ENCODED}, {**RESULT, "tool_use_id": ENCODED}])
    ]


@pytest.mark.parametrize(
    "content",
    [
        "text",
        [TEXT, CALL, RESULT, {**TEXT, "cache_control": UNSCOPED}],
        [{**RESULT, "content": [TEXT, {"type": "image", "source": {"type": "base64"}}]}],
        [{"type": "unheard_of", "scope": 1}, {"type": "thinking", "thinking": "scope"}],
    ],
)
def test_common_fields_keep_their_identity(content: Any) -> None:
    before = history(("user", content), ("assistant", content), ("user", content))
    after = foreign_blocks.turns(before)
    assert [id(message) for message in after] == [id(message) for message in before]


@pytest.mark.parametrize("content", ["", " ", None, [], [{"type": "text", "text": ""}]])
def test_no_message_is_empty(content: Any) -> None:
    """`all messages must have non-empty content except for the optional final assistant message`"""
    turns = foreign_blocks.turns(
        history(("user", content), ("assistant", content), ("user", "hi"), ("assistant", ""))
    )
    filled = [{"type": "text", "text": requests.EMPTY}]
    expected = [("user", filled), ("assistant", filled), ("user", "hi"), ("assistant", "")]
    assert plain(turns) == expected


def test_citations_stay_behind_with_what_they_cite() -> None:
    cited = {**TEXT, "citations": [{"type": "web_search_result_location", "encrypted_index": "x"}]}
    turns = foreign_blocks.turns(history(("assistant", [cited, {**TEXT, "citations": None}])))
    assert plain(turns) == [("assistant", [TEXT, TEXT])]


@pytest.mark.parametrize(
    "turns, reminded",
    [
        pytest.param(
            [("user", "hi"), ("system", "be brief"), ("assistant", "ok")],
            [("user", [TEXT, reminder("be brief")]), ("assistant", "ok")],
            id="after a user",
        ),
        pytest.param(
            [("user", [RESULT]), ("system", [{"type": "text", "text": "a"}, reminder("b")])],
            [("user", [RESULT, reminder("a"), reminder("b")])],
            id="at the end",
        ),
        pytest.param(
            [("assistant", "ok"), ("system", "a"), ("assistant", "b")],
            [("assistant", "ok"), ("user", [reminder("a")]), ("assistant", "b")],
            id="between assistants",
        ),
        pytest.param(
            [("system", "a"), ("system", "b"), ("user", [RESULT]), ("assistant", "ok")],
            [("user", [RESULT, reminder("a"), reminder("b")]), ("assistant", "ok")],
            id="before a user",
        ),
        pytest.param(
            [("user", "hi"), ("system", "a"), ("user", ""), ("user", [TEXT])],
            [("user", [TEXT, TEXT, reminder("a")])],
            id="between users",
        ),
        pytest.param(
            [("user", "hi"), ("system", []), ("assistant", "ok"), ("system", " \n"), ("user", "x")],
            [("user", "hi"), ("assistant", "ok"), ("user", "x")],
            id="empty",
        ),
        pytest.param(
            [
                ("user", "hi"),
                (
                    "system",
                    [
                        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "x"}},
                        {"type": "output_config", "effort": "low"},
                        {"type": "text", "text": "a", "cache_control": SCOPED, "clear_at": 7},
                    ],
                ),
                ("system", None),
            ],
            [("user", [TEXT, {**reminder("a"), "cache_control": UNSCOPED}])],
            id="its other parts",
        ),
    ],
)
def test_system_messages(turns: list[tuple[str, Any]], reminded: list[tuple[str, Any]]) -> None:
    assert plain(foreign_blocks.turns(history(*turns))) == reminded


@pytest.mark.parametrize(
    "turns, message",
    [
        ([("user", [3])], "messages[0].content[0]: expected an object, got an integer"),
        (
            [("user", "hi"), ("system", [{"text": 3}])],
            "messages[1].content: expected a string, got an integer",
        ),
        (
            [("user", [{**RESULT, "content": ["x"]}])],
            "tool_result.content[0]: expected an object, got a string",
        ),
    ],
)
def test_not_in_anthropics_form(turns: list[tuple[str, Any]], message: str) -> None:
    with pytest.raises(ValueError) as e:
        foreign_blocks.turns(history(*turns))
    assert str(e.value) == message


@pytest.mark.parametrize(
    "given, expected", [(SCOPED, UNSCOPED), (UNSCOPED, UNSCOPED), (None, None), ({}, {})]
)
def test_unscoped(given: Any, expected: Any) -> None:
    raw = msgspec.Raw(json.dumps(given).encode())
    assert json.loads(bytes(foreign_blocks.unscoped(raw))) == expected
    assert (foreign_blocks.unscoped(raw) is raw) == (given == expected)
