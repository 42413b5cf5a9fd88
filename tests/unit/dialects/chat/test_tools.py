from __future__ import annotations

from typing import Any

import pytest

from tests.unit import chat_streams
from tests.unit.chat_streams import sent

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ = {"name": "Read", "description": "Reads", "input_schema": SCHEMA}
LONG = "mcp__server__" + "x" * 60


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


def tools(*tools: dict[str, Any], **body: Any) -> Any:
    return sent({"tools": list(tools), **body}).get("tools")


def test_function() -> None:
    assert tools(READ) == [function("Read", description="Reads")]
    assert tools(READ | {"type": "custom", "description": None}) == [function("Read")]


def test_none() -> None:
    body = {"tools": [], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    assert sent(body).keys() == {"model", "messages"}


@pytest.mark.parametrize(
    "schema, expected",
    [
        ({}, {"type": "object", "properties": {}}),
        (None, {"type": "object", "properties": {}}),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA}, SCHEMA),
        ({**SCHEMA, "additionalProperties": False}, {**SCHEMA, "additionalProperties": False}),
        # OpenAI: "must not have 'oneOf'/'anyOf'/'allOf' at the top level"
        ({"allOf": [SCHEMA]}, SCHEMA),
        ({"anyOf": [SCHEMA]}, {"type": "object", "properties": SCHEMA["properties"]}),
    ],
)
def test_schema(schema: Any, expected: dict[str, Any]) -> None:
    tool = READ | {"input_schema": schema}
    if schema is None:
        del tool["input_schema"]
    assert tools(tool)[0]["function"]["parameters"] == expected


def test_dropped() -> None:
    extra = {"cache_control": {}, "defer_loading": True, "strict": True, "allowed_callers": []}
    offered: list[dict[str, Any]] = [
        READ | extra,
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    offered.append({"name": "DeferredToolPlaceholder", "input_schema": {}, "defer_loading": True})
    assert tools(*offered) == [function("Read", description="Reads")]
    assert set(chat_streams.call({"tools": offered}).dropped) == {
        *(f"tools[].{name}" for name in extra),
        "tools[].web_search_20250305",
        "tools[].DeferredToolPlaceholder",
    }


def test_added_in_the_middle() -> None:
    added = {"name": "Bash", "input_schema": SCHEMA}
    items = [
        {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": added}},
        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Read"}},
    ]
    messages = [{"role": "user", "content": "a"}, {"role": "system", "content": items}]
    body = {"tools": [READ | {"defer_loading": True}], "messages": messages}
    found = sent(body)
    assert found["tools"] == [function("Read", description="Reads"), function("Bash")]
    assert found["messages"] == [{"role": "user", "content": "a"}]


SEARCH = {"type": "web_search_20250305", "name": "web_search"}
BASH = {"name": "Bash", "input_schema": SCHEMA}


@pytest.mark.parametrize(
    "changes, names",
    [
        pytest.param([("addition", {"definition": BASH})], ["Read", "Bash"], id="no type"),
        pytest.param([("removal", {"name": "Read"})], None, id="removed"),
        pytest.param(
            [("addition", {"definition": BASH}), ("removal", {"name": "Read"})], ["Bash"], id="both"
        ),
        pytest.param(
            [("removal", {"name": "Read"}), ("addition", {"name": "Read"})],
            ["Read"],
            id="taken back",
        ),
        pytest.param([("addition", {"definition": SEARCH})], ["Read"], id="a server's"),
    ],
)
def test_changed_in_the_middle(changes: list[tuple[str, Any]], names: list[str] | None) -> None:
    items = [{"type": f"tool_{kind}", "tool": tool} for kind, tool in changes]
    messages = [{"role": "user", "content": "a"}, {"role": "system", "content": items}]
    found = tools(READ, messages=messages)
    assert (found and [tool["function"]["name"] for tool in found]) == names


@pytest.mark.parametrize(
    "choice, expected",
    [
        ({"type": "auto"}, {}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "Read"},
            {"tool_choice": {"type": "function", "function": {"name": "Read"}}},
        ),
        ({"type": "tool", "name": "web_search"}, {}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"parallel_tool_calls": False}),
        ({"type": "auto", "disable_parallel_tool_use": False}, {}),
    ],
)
def test_choice(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    found = sent({"tools": [READ], "tool_choice": choice})
    assert {key: found[key] for key in found.keys() - {"model", "messages", "tools"}} == expected


def test_names_there_and_back() -> None:
    use = {"type": "tool_use", "id": "a", "name": LONG, "input": {}}
    body = {
        "tools": [{"name": LONG, "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": LONG},
        "messages": [{"role": "assistant", "content": [use]}],
    }
    found = sent(body)
    name = found["tools"][0]["function"]["name"]
    assert len(name) <= 64
    assert found["tool_choice"]["function"]["name"] == name
    assert found["messages"][0]["tool_calls"][0]["function"]["name"] == name
    call = chat_streams.chunk(tool_calls=[chat_streams.tool(0, "b", name, "{}")])
    assert chat_streams.streamed(call, body=body)["content"][0]["name"] == LONG
