"""What the blocks of a turn have in full, from the bodies that are still kept, and what of it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route.dialects import fold
from claude_route.pages.sessions import json_tree
from claude_route.sessions import reminders
from claude_route.sessions import sources
from claude_route.sessions import turns
from claude_route.wire import rawjson

SHORT, LONG = 3000, 20_000
"""Characters of a block that a page shows: in what is new, and where someone asked for everything."""

STYLES = re.compile(r"\x1b\[[\d;]*m")
"""How programs ask a terminal for colours: results of tools have them."""

MAX_PARSED = 100_000
"""Characters of a tool's result that is shown as JSON if it is."""

type Contents = Mapping[bytes, Any]
"""The values of blocks by their digests."""


class Reminder(NamedTuple):
    source: str
    text: str


class Shown(NamedTuple):
    """A block as a page shows it."""

    block: turns.Block
    key: str
    """Its place in the conversation, or `a2` in the answer."""
    text: str
    """What stands first; empty if there is only JSON."""
    tree: json_tree.Node | None = None
    reminders: tuple[Reminder, ...] = ()
    is_cut: bool = False
    is_kept: bool = True
    """Whether its content is kept, rather than its first words."""

    @property
    def title(self) -> str:
        block = self.block
        if block.role == "tools":
            return block.name or "a tool"
        if block.kind.endswith("tool_use"):
            return f"→ {block.name}"
        if block.kind.endswith("tool_result"):
            return f"← {block.name or 'result'}"
        if block.kind == "text":
            return block.role
        return block.kind if block.role == "assistant" else f"{block.role} {block.kind}"

    @property
    def sort(self) -> str:
        """For its colour."""
        block = self.block
        if block.kind.endswith("tool_use"):
            return "call"
        if block.kind.endswith("tool_result"):
            return "failed-result" if block.is_error else "result"
        if "thinking" in block.kind:
            return "thinking"
        return "reminder" if block.kind == "reminder" else block.role


def show(block: turns.Block, value: Any, key: str, limit: int = SHORT) -> Shown:
    """`value` is None if it isn't kept."""
    if not isinstance(value, dict):
        if block.role == "user" and block.kind == "text" and block.label:
            only = [source for source, _ in block.sources if source != sources.PROMPTS]
            if only and len(only) == len(block.sources):
                reminder = Reminder(only[0], block.label)
                return Shown(block, key, "", reminders=(reminder,), is_kept=False)
        return Shown(block, key, block.label, is_kept=False)
    if block.role == "tools":
        schema = value.get("input_schema")
        return _cut(block, key, fold.text(value.get("description")), limit, schema)
    if block.kind.endswith("tool_use"):
        given = value.get("input")
        return _cut(block, key, fold.text(value.get("partial_json")), limit, given)
    if block.kind.endswith("tool_result"):
        text = result(value.get("content"))
        return _cut(block, key, text, limit, _parsed(text), replaces=True)
    text = fold.text(value.get("text")) or fold.text(value.get("thinking"))
    if not text:
        # Of thinking that the provider doesn't show there is a signature, which tells nobody anything.
        is_hidden = block.kind == "thinking"
        return _cut(block, key, "", limit, None if is_hidden else _without_data(value))
    if block.role == "user":
        parts = reminders.split(text)
        found = tuple(
            Reminder(sources.of_reminder(part), part.strip()[:limit]) for part in parts.reminders
        )
        return _cut(block, key, parts.words, limit)._replace(reminders=found)
    return _cut(block, key, text, limit)


def plain(block: turns.Block, value: Any) -> str:
    """All of a block's content, to be copied."""
    if not isinstance(value, dict):
        return block.label
    if block.role == "tools":
        return pretty(value)
    if block.kind.endswith("tool_use"):
        return fold.text(value.get("partial_json")) or pretty(value.get("input"))
    if block.kind.endswith("tool_result"):
        return result(value.get("content"))
    return fold.text(value.get("text")) or fold.text(value.get("thinking")) or pretty(value)


def pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def result(content: Any) -> str:
    """What a tool returned, as text."""
    if isinstance(content, str):
        return content
    items = content if isinstance(content, list) else []
    return "\n".join(_part(item) for item in items)


def _part(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    return fold.text(item["text"]) if "text" in item else pretty(_without_data(item))


def _without_data(value: Any, depth: int = 0) -> Any:
    """Without the bytes of pictures and documents."""
    match value:
        case dict() if depth < json_tree.MAX_DEPTH:
            return {
                key: f"[{len(part):,} characters]"
                if key in ("data", "signature") and isinstance(part, str) and len(part) > 200
                else _without_data(part, depth + 1)
                for key, part in value.items()
            }
        case list() if depth < json_tree.MAX_DEPTH:
            return [_without_data(part, depth + 1) for part in value]
    return value


def _cut(
    block: turns.Block,
    key: str,
    text: str,
    limit: int,
    value: Any = None,
    *,
    replaces: bool = False,
) -> Shown:
    tree = json_tree.tree(value) if isinstance(value, (dict, list)) else None
    if replaces and tree:
        text = ""
    return Shown(block, key, STYLES.sub("", text[:limit]), tree, is_cut=len(text) > limit)


def _parsed(text: str) -> Any:
    """The value of a text that is JSON."""
    if len(text) > MAX_PARSED or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return rawjson.decode_mended(text.encode("utf-8", "replace"), object)
    except ValueError:
        return None


def pretty_text(text: str) -> str:
    """JSON with indentation.

    Raises:
        ValueError: it is no JSON.
    """
    return msgspec.json.format(text, indent=2)
