"""Translates the tools of a Messages request to Chat Completions functions."""

from __future__ import annotations

from typing import Any

import msgspec

from claude_route.dialects.chat import fields
from claude_route.dialects.chat import quirks
from claude_route.dialects.chat import tool_names
from claude_route.dialects.messages import foreign_tools
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import schemas
from claude_route.wire import rawjson

_CHOICES = {"auto": "auto", "any": "required", "tool": "function", "none": "none"}
"""The type of tool_choice: Messages -> Chat Completions."""

_KEPT = {"type", "name", "description", "input_schema"}


class Tool(msgspec.Struct):
    """A tool that the client runs, or one of Anthropic's (with a `type` other than custom)."""

    name: str
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.Raw()


class _Choice(msgspec.Struct):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool = False


def read(request_fields: fields.Fields, history: list[requests.Message]) -> list[Tool]:
    """The tools that can be functions, including deferred ones, with the conversation's changes applied."""
    given = request_fields.take("tools", list[dict[str, msgspec.Raw]], [])
    tools = {rawjson.text(tool, "name"): tool for tool in given}
    foreign_tools.follow(history, tools)
    listed = rawjson.encode(list(tools.values()))
    flat = schemas.flatten_tools(listed) or listed
    decoded = rawjson.decode(flat, list[Tool], "tools")
    return [tool for tool in decoded if _is_function(tool, tools[tool.name], request_fields)]


def _is_function(tool: Tool, given: dict[str, msgspec.Raw], request_fields: fields.Fields) -> bool:
    """Whether a tool can be a function. Reports what is dropped."""
    if tool.type not in (None, "custom"):
        request_fields.drop(f"tools[].{tool.type}")
    elif tool.name == foreign_tools.PLACEHOLDER:
        request_fields.drop(f"tools[].{foreign_tools.PLACEHOLDER}")
    else:
        for field in sorted(given.keys() - _KEPT):
            request_fields.drop(f"tools[].{field}")
        return True
    return False


def functions(
    request_fields: fields.Fields, tools: list[Tool], names: tool_names.Names
) -> dict[str, Any]:
    """`tools`, `tool_choice` and `parallel_tool_calls`; empty if there are no tools."""
    choice = request_fields.take("tool_choice", _Choice, _Choice("auto"))
    if choice.type not in _CHOICES:
        expected = ", ".join(_CHOICES)
        raise ValueError(f"tool_choice.type: expected one of {expected}, got something else")
    if not tools:
        return {}
    sent: dict[str, Any] = {"tools": [_function(tool, names) for tool in tools]}
    if choice.type == "tool":
        if any(tool.name == choice.name for tool in tools):
            function = {"name": names.sent(choice.name)}
            sent["tool_choice"] = {"type": _CHOICES[choice.type], "function": function}
        else:
            request_fields.drop("tool_choice.name")
    elif choice.type != "auto":
        sent["tool_choice"] = _CHOICES[choice.type]
    if choice.disable_parallel_tool_use:
        sent["parallel_tool_calls"] = False
    return sent


def _function(tool: Tool, names: tool_names.Names) -> dict[str, Any]:
    function: dict[str, Any] = {"name": names.sent(tool.name)}
    if tool.description:
        function["description"] = tool.description
    schema = {}
    if tool.input_schema:
        schema = rawjson.decode(tool.input_schema, dict[str, msgspec.Raw], "tools[].input_schema")
    kept = {key: value for key, value in schema.items() if key not in quirks.REFUSED_IN_SCHEMAS}
    function["parameters"] = quirks.LEAST_SCHEMA | kept
    return {"type": "function", "function": function}
