from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects.messages import foreign_tools
from claude_route.dialects.messages import requests

BASH = {"name": "Bash", "description": "d", "input_schema": {"type": "object", "strict": 1}}
GREP = {"name": "Grep", "type": "custom", "input_schema": {"type": "object"}}
SEARCH = {"name": "web_search", "type": "web_search_20250305", "max_uses": 5}
PLACEHOLDER = {"name": "DeferredToolPlaceholder", "input_schema": {}, "defer_loading": True}
AUTO = {"type": "auto", "disable_parallel_tool_use": True}


def addition(tool: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool}}


def change(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "tool": {"type": "tool_reference", "name": name}}


def edits(history: list[list[dict[str, Any]]], **fields: Any) -> dict[str, Any]:
    raws = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()}
    turns = [requests.Message("system", msgspec.Raw(json.dumps(h).encode())) for h in history]
    turns.insert(0, requests.Message("user", msgspec.Raw(b'"hi"')))
    changed = foreign_tools.edits(raws, turns)
    return {name: raw and json.loads(bytes(raw)) for name, raw in changed.items()}


@pytest.mark.parametrize(
    "fields, changed",
    [
        pytest.param({"tools": [BASH, GREP], "tool_choice": AUTO}, {}, id="nothing to change"),
        pytest.param(
            {"tools": [SEARCH, BASH, PLACEHOLDER], "tool_choice": AUTO},
            {"tools": [BASH]},
            id="not the client's",
        ),
        pytest.param(
            {
                "tools": [
                    {**BASH, "defer_loading": True, "eager_input_streaming": True},
                    {
                        **GREP,
                        "strict": True,
                        "allowed_callers": ["direct"],
                        "cache_control": {"type": "ephemeral", "scope": "global"},
                    },
                ]
            },
            {"tools": [BASH, {**GREP, "cache_control": {"type": "ephemeral"}}]},
            id="fields",
        ),
        pytest.param(
            {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}},
            {"tools": None, "tool_choice": None},
            id="none left",
        ),
        pytest.param(
            {"tools": [BASH, SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}},
            {"tools": [BASH], "tool_choice": None},
            id="the chosen one",
        ),
        pytest.param(
            {"tools": [BASH], "tool_choice": {"type": "tool", "name": "Bash"}}, {}, id="chosen"
        ),
        pytest.param({"tools": None}, {"tools": None, "tool_choice": None}, id="null"),
        pytest.param({}, {"tools": None, "tool_choice": None}, id="absent"),
        pytest.param({"tools": [{**BASH, "type": None}]}, {}, id="null type"),
    ],
)
def test_tools(fields: dict[str, Any], changed: dict[str, Any]) -> None:
    assert edits([], **fields) == changed


@pytest.mark.parametrize(
    "history, names",
    [
        ([[addition({**GREP, "defer_loading": True})]], ["Bash", "Grep"]),
        ([[{"type": "text", "text": "x"}], [change("tool_addition", "Bash")]], None),
        ([[change("tool_removal", "Bash")]], []),
        ([[change("tool_removal", "Bash"), change("tool_addition", "Bash")]], None),
        (
            [
                [addition(GREP)],
                [change("tool_removal", "Grep"), change("tool_removal", "Bash")],
                [change("tool_addition", "Grep")],
            ],
            ["Grep"],
        ),
        ([[change("tool_addition", "Unheard")]], None),
        ([[addition(SEARCH)]], None),
    ],
)
def test_tools_that_the_conversation_changes(
    history: list[list[dict[str, Any]]], names: list[str] | None
) -> None:
    changed = edits(history, tools=[BASH])
    if names is None:
        assert changed == {}
    else:
        assert [tool["name"] for tool in changed["tools"] or []] == names
        assert b"defer_loading" not in json.dumps(changed).encode()


@pytest.mark.parametrize(
    "history, fields, message",
    [
        ([], {"tools": {}}, "tools: expected an array, got an object"),
        ([], {"tools": ["x"]}, "tools[0]: expected an object, got a string"),
        (
            [],
            {"tools": [BASH], "tool_choice": "x"},
            "tool_choice: expected an object, got a string",
        ),
        (
            [[{"type": "tool_addition", "tool": "Bash"}]],
            {"tools": [BASH]},
            "messages[1].content[].tool: expected an object, got a string",
        ),
    ],
)
def test_not_in_anthropics_form(
    history: list[list[dict[str, Any]]], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as e:
        edits(history, **fields)
    assert str(e.value) == message
