"""Blocks about tools that a provider's own servers run, such as its web search.

Only the server that made one can read all of it. For any other, it becomes text.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from claude_route.wire import rawjson

CALLS = {"server_tool_use": "srvtoolu_", "mcp_tool_use": "mcptoolu_"}
"""The types of calls, and how Anthropic's ids of them begin."""

_REST_OF_ID = re.compile(r"[a-zA-Z0-9_]+")


def is_result(kind: str) -> bool:
    """Whether a block of this type is the result of a server's tool: web_search_tool_result…"""
    return kind.endswith("_tool_result")


def is_anthropics_id(kind: str, id: object) -> bool:
    """Whether Anthropic may have made the id: `String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'`."""
    prefix = CALLS[kind]
    return (
        isinstance(id, str)
        and id.startswith(prefix)
        and _REST_OF_ID.fullmatch(id, len(prefix)) is not None
    )


def is_anthropics_result(kind: str, content: Any) -> bool:
    """Whether Anthropic may have made this content of a result.

    Its search results are encrypted. https://platform.claude.com/docs/en/agents-and-tools/tool-use
    """
    if kind == "web_search_tool_result" and isinstance(content, list):
        return all(
            isinstance(item, dict)
            and item.get("type") == "web_search_result"
            and isinstance(item.get("encrypted_content"), str)
            and item["encrypted_content"] != ""
            for item in content
        )
    if kind == "mcp_tool_result":
        return isinstance(content, str | list)
    return isinstance(content, dict) and isinstance(content.get("type"), str)


def call_text(name: str, input: str) -> str:
    """A call as text; `input` is JSON."""
    return f"[Called {name}: {input}]"


def result_text(kind: str, content: msgspec.Raw) -> str:
    """The readable content of a block as text.

    Raises:
        ValueError: the content isn't JSON.
    """
    value = _readable(rawjson.decode(content, object))
    return f"[{kind}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}]"


def _readable(value: Any) -> Any:
    """A server tool's result without parts that are encrypted or aren't text."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        unread = {"data"} if value.get("type") == "base64" else set()
        return {
            key: _readable(item)
            for key, item in value.items()
            if not key.startswith("encrypted") and key not in unread
        }
    return value
