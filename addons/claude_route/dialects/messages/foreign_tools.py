"""Changes tools to what every provider understands: run by the client, and all of them loaded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from claude_route.dialects.messages import foreign_blocks
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

_NOT_SENT = {
    "allowed_callers",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
    "strict",
}

# A tool with which Claude Code keeps deferred loading enabled at Anthropic. Models must not call it.
PLACEHOLDER = "DeferredToolPlaceholder"

type _Tool = dict[str, msgspec.Raw]


class _Item(msgspec.Struct):
    """A part of a `system` message within the conversation."""

    type: str = ""
    tool: msgspec.Raw = rawjson.NULL


class _Change(msgspec.Struct):
    """The tool of a `tool_addition` or `tool_removal`."""

    name: str = ""
    definition: _Tool | None = None
    """A tool that is not in `tools`. Without a definition, `name` refers to one that is."""


class _Choice(msgspec.Struct):
    type: str = ""
    name: str = ""


def edits(
    fields: Mapping[str, msgspec.Raw], history: list[requests.Message]
) -> dict[str, msgspec.Raw | None]:
    """The changes to `tools` and `tool_choice`.

    Raises:
        ValueError: a tool or a choice isn't in Anthropic's form.
    """
    given: list[_Tool] = []
    if fields.get("tools", rawjson.NULL) != rawjson.NULL:
        given = rawjson.decode(fields["tools"], list[_Tool], "tools")
    tools = {rawjson.text(tool, "name"): tool for tool in given}
    follow(history, tools)
    sent = [_plain(tool) for tool in tools.values() if _is_clients(tool)]
    if not sent:
        return {"tools": None, "tool_choice": None}
    changed: dict[str, msgspec.Raw | None] = {}
    if sent != given:
        changed["tools"] = rawjson.encode(sent)
    if "tool_choice" in fields:
        choice = rawjson.decode(fields["tool_choice"], _Choice, "tool_choice")
        names = {rawjson.text(tool, "name") for tool in sent}
        if choice.type == "tool" and choice.name not in names:
            changed["tool_choice"] = None
    return changed


def follow(history: list[requests.Message], tools: dict[str, _Tool]) -> None:
    """Apply the conversation's changes of tools to `tools`, which maps names to tools.

    Raises:
        ValueError: a change isn't in Anthropic's form.
    """
    known = dict(tools)
    for n, message in enumerate(history):
        if message.role != "system" or not message.has_blocks:
            continue
        place = f"messages[{n}].content"
        for item in rawjson.decode(message.content, list[_Item], place):
            if item.type not in ("tool_addition", "tool_removal"):
                continue
            change = rawjson.decode(item.tool, _Change, f"{place}[].tool")
            if change.definition is not None:
                change.name = rawjson.text(change.definition, "name")
                known[change.name] = change.definition
            if item.type == "tool_removal":
                tools.pop(change.name, None)
            elif change.name in known:
                tools[change.name] = known[change.name]


def _is_clients(tool: _Tool) -> bool:
    is_servers = rawjson.text(tool, "type") not in ("", "custom")
    return not is_servers and rawjson.text(tool, "name") != PLACEHOLDER


def _plain(tool: _Tool) -> _Tool:
    plain = {key: value for key, value in tool.items() if key not in _NOT_SENT}
    if "cache_control" in plain:
        plain["cache_control"] = foreign_blocks.unscoped(plain["cache_control"])
    return plain
