"""What of a client's requests is watched: the names in them, never what a user wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from simulator import recorded

MODEL_PATHS = ("/v1/messages", "/v1/messages/count_tokens")


class Trait(NamedTuple):
    kind: str
    """A key of the record: `betas`, `blocks`, …"""
    name: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


_ID = re.compile(r"(?<=/)(?:sdk-\w+|(?=[^/]*\d)[\w-]{8,})")
"""A segment of a path that may be another one each time."""

_OURS = ("x-claude-route-",)
"""Headers that the proxy adds itself."""

_FREE = {"input", "input_schema", "schema", "properties"}
"""Objects whose keys are a tool's or a user's."""


def of_path(method: str, path: str) -> Trait:
    """`path` has its query, which counts for the API itself only: there it is the same each time."""
    bare, _, query = path.partition("?")
    shown = _ID.sub("*", bare)
    if query and bare.startswith("/v1/"):
        shown = f"{shown}?{query}"
    return Trait("paths", f"{method} {shown}")


def of_request(request: recorded.Recorded) -> Iterator[Trait]:
    """Of a request to a model; none of others. Raises ValueError if its body is no JSON."""
    if request.bare_path not in MODEL_PATHS:
        return
    for name, _ in request.headers:
        if not name.lower().startswith((*_OURS, ":")):
            yield Trait("headers", name.lower())
    for beta in request.listed("anthropic-beta"):
        yield Trait("betas", beta)
    yield from of_body(request.json)


def of_body(body: dict[str, Any]) -> Iterator[Trait]:
    """The fields at the top and in the objects there, the types that they name, blocks, and tools."""
    for name, value in body.items():
        yield Trait("fields", name)
        if name not in ("messages", "system", "tools"):
            yield from _nested(name, value)
    for block in _blocks(body.get("system")):
        yield from _of_block("system", block)
    for message in body.get("messages", ()):
        yield Trait("roles", message["role"])
        for name in message:
            yield Trait("fields", f"messages[].{name}")
        for block in _blocks(message.get("content")):
            yield from _of_block(message["role"], block)
    for tool in body.get("tools", ()):
        yield from _of_tool(tool)


def _nested(place: str, value: Any) -> Iterator[Trait]:
    if isinstance(value, list):
        for item in value:
            yield from _nested(f"{place}[]", item)
        return
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        yield Trait("fields", f"{place}.{name}")
        if name == "type" and isinstance(inner, str):
            yield Trait("types", f"{place}: {inner}")
        if name not in _FREE:
            yield from _nested(f"{place}.{name}", inner)


def _blocks(content: Any) -> Iterable[dict[str, Any]]:
    """Those of a content that may be a text."""
    return content if isinstance(content, list) else ()


def _of_block(place: str, block: dict[str, Any]) -> Iterator[Trait]:
    kind = f"{place}: {block['type']}"
    yield Trait("blocks", kind)
    for name, value in block.items():
        yield Trait("block fields", f"{block['type']}.{name}")
        if isinstance(value, dict) and name not in _FREE:
            for trait in _nested(name, value):
                yield trait if trait.kind == "types" else Trait("block fields", trait.name)
    for inner in _blocks(block.get("content")):
        yield from _of_block(block["type"], inner)


def _of_tool(tool: dict[str, Any]) -> Iterator[Trait]:
    """A tool that Anthropic runs has a type; those of the client are known by their fields."""
    kind = tool.get("type", "custom")
    if kind != "custom":
        yield Trait("server tools", f"{kind} {tool.get('name', '')}".strip())
    for name in tool:
        yield Trait("tool fields", f"{kind}.{name}")
