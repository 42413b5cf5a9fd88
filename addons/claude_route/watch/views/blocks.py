"""Formats content blocks as lines of text. Blocks are unchecked: any field may be missing or invalid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from claude_route.dialects import fold
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.text import layout
from claude_route.text import quantities
from claude_route.wire import rawjson

TEXT_LINES = 40
RESULT_LINES = 12
"""The most lines that a view shows of a text and of a tool's result, unless it is full."""

TELLING = ("command", "file_path", "notebook_path", "pattern", "query", "url", "skill", "prompt")
"""Keys of a tool's input with the most telling value, for the common tools."""

_RESULT = "tool_result"  # and those of the server's tools, `web_search_tool_result` and so on
_USES = ("tool_use", "server_tool_use", "mcp_tool_use")


class Writer:
    """Formats blocks as lines. Remembers tool calls, to name the tool at its result."""

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self._tools: dict[str, str] = {}

    def learn(self, blocks: Iterable[fold.Block]) -> None:
        """Remember the tool calls in blocks that aren't shown."""
        for block in blocks:
            if block.get("type") in _USES:
                self._learn(block)

    def lines(self, block: fold.Block, *, limit: int | None = TEXT_LINES) -> list[str]:
        """A block in about `limit` lines; None: all of it."""
        limit = None if self.full else limit
        kind = str(block.get("type") or "?")
        if kind == "text":
            lines = layout.some(_text(block.get("text")), "  ", limit)
        elif kind in thinking.KINDS:
            lines = self._thinking(block, limit)
        elif kind in _USES:
            lines = self._use(block, limit)
        elif kind.endswith(_RESULT):
            lines = self._result(block, limit and min(limit, RESULT_LINES))
        elif kind in ("image", "document"):
            lines = [f"  ▣ {_media(block)}"]
        else:
            lines = [f"  ◇ {kind}", *self._values(block, limit, leave_out=("type",))]
        if mark := cache_point(block):
            lines.append(f"  ◆ {mark}")
        return lines

    def one_line(self, block: fold.Block, width: int) -> str:
        """A block on one line."""
        kind = str(block.get("type") or "?")
        if kind == "text":
            text = _text(block.get("text"))
        elif kind in thinking.KINDS:
            text = f"~ {_origin(block)}: {_text(block.get('thinking')) or '(not shown)'}"
        elif kind in _USES:
            text = f"→ {self._learn(block)} {_brief(block)}"
        elif kind.endswith(_RESULT):
            text = f"← {self._name(block)} {_failed(block)}{result_text(block)}"
        elif kind in ("image", "document"):
            text = f"▣ {_media(block)}"
        else:
            text = f"◇ {kind}"
        mark = "  ◆" if block.get("cache_control") else ""
        return layout.one_line(text, width - len(mark)) + mark

    def _thinking(self, block: fold.Block, limit: int | None) -> list[str]:
        kind = str(block.get("type"))
        text = _text(block.get("thinking"))
        title = f"  ~ {kind.replace('_', ' ')} ({_origin(block)}"
        if text:
            return [title + ")", *layout.some(text, "    ", limit)]
        length = quantities.count(len(_text(block.get(thinking.mark(kind)))))
        return [f"{title}, not shown; its {thinking.mark(kind)} has {length} characters)"]

    def _use(self, block: fold.Block, limit: int | None) -> list[str]:
        kind = block.get("type")
        title = f"  → {self._learn(block)}  {_text(block.get('id'))}"
        if kind != "tool_use":
            title += f"  ({kind})"
        if partial := _text(block.get("partial_json")):
            value = completed(partial)
            if not isinstance(value, dict):
                return [title, *layout.some(partial, "      ", limit)]
            return [title, *self._values(value, limit)]
        value = block.get("input")
        return [title, *self._values(value if isinstance(value, dict) else {"": value}, limit)]

    def _result(self, block: fold.Block, limit: int | None) -> list[str]:
        text = result_text(block)
        about = quantities.count(requests.tokens(len(text)))
        title = (
            f"  ← {self._name(block)}  {_text(block.get('tool_use_id'))}  {_failed(block)}~{about}"
        )
        return [title, *layout.some(text, "      ", limit)] if text else [title]

    def _values(
        self, values: dict[str, Any], limit: int | None, leave_out: tuple[str, ...] = ()
    ) -> list[str]:
        lines: list[str] = []
        for key, value in values.items():
            if key in leave_out or key == "cache_control":
                continue
            text = value if isinstance(value, str) else compact(value)
            if "\n" in text or len(text) + len(key) > layout.WIDTH - 8:
                lines.append(f"      {key}:")
                lines += layout.some(text, "        ", limit)
            else:
                lines.append(f"      {key}: {text}")
        return lines

    def _learn(self, block: fold.Block) -> str:
        name = _text(block.get("name")) or "?"
        self._tools[_text(block.get("id"))] = name
        return name

    def _name(self, result: fold.Block) -> str:
        """The name of the tool that this is a result of."""
        return self._tools.get(_text(result.get("tool_use_id")), "result of a call not shown here")


def _origin(block: fold.Block) -> str:
    kind = str(block.get("type"))
    return thinking.origin(kind, _text(block.get(thinking.mark(kind)))) or "no origin"


def cache_point(block: fold.Block) -> str:
    """`cache point 5m`; empty if the block isn't one."""
    control = block.get("cache_control")
    if not control:
        return ""
    ttl = control.get("ttl") if isinstance(control, dict) else None
    return f"cache point {ttl or '5m'}"


def result_text(block: fold.Block) -> str:
    """The text of a tool's result."""
    texts = []
    for part in fold.listed(block.get("content")):
        kind = part.get("type")
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("image", "document"):
            texts.append(f"▣ {_media(part)}")
        else:
            texts.append(compact(part))
    return "\n".join(texts) or compact(block.get("content") or "", empty="")


def compact(value: Any, empty: str | None = None) -> str:
    if empty is not None and not value:
        return empty
    return json.dumps(value, ensure_ascii=False)


_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[][{}]', re.DOTALL)
_CUT_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")


def completed(partial: str) -> Any:
    """The value of an incomplete JSON text, as far as it has arrived; None if it can't be completed."""
    open: list[str] = []
    text = partial
    for match in _TOKEN.finditer(partial):
        if closing := {"[": "]", "{": "}"}.get(match[0]):
            open.append(closing)
        elif match[0] in ("]", "}"):
            del open[-1:]
        elif not match[1]:
            if cut := _CUT_ESCAPE.search(text):
                text = text[: cut.start(1)]
            text += '"'
    end = "".join(reversed(open))
    without_comma = text.rstrip().removesuffix(",")
    for attempt in (text, without_comma, text + ":null", text + "null", _cut_word(text)):
        try:
            return msgspec.json.decode(rawjson.mend((attempt + end).encode("utf-8", "replace")))
        except rawjson.REFUSALS:
            continue
    return None


def _cut_word(text: str) -> str:
    """The text without a trailing incomplete number or literal, which null replaces."""
    return text.rstrip("-+.eEtrufalsn0123456789") + "null"


def _brief(block: fold.Block) -> str:
    """A summary of a tool's input: its most telling value, or else all of it."""
    value = block.get("input")
    if isinstance(value, dict):
        for key in TELLING:
            if isinstance(value.get(key), str):
                return str(value[key])
    return compact(value) if value else _text(block.get("partial_json"))


def _failed(block: fold.Block) -> str:
    return "ERROR  " if block.get("is_error") else ""


def _media(block: fold.Block) -> str:
    source = block.get("source")
    source = source if isinstance(source, dict) else {}
    about = source.get("media_type") or source.get("url") or source.get("type") or ""
    data = source.get("data")
    held = quantities.size(len(data) * 3 // 4) if isinstance(data, str) else ""
    return layout.clip(" ".join(x for x in (block.get("type"), str(about), held) if x), 80)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
