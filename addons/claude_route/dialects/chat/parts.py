"""Translates Messages content blocks to parts of a Chat Completions message."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from claude_route.dialects.chat import tool_names
from claude_route.dialects.messages import levels
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import server_blocks
from claude_route.wire import rawjson

Part = str | dict[str, Any]
"""A part of a user's message: text, or a part of another kind."""


class Block(msgspec.Struct, gc=False):
    """A content block of any kind; its fields depend on `type`."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    is_error: bool | None = None
    source: msgspec.Raw = msgspec.Raw()
    title: str | None = None
    context: str | None = None
    tool_name: str | None = None
    tool: msgspec.Raw = msgspec.Raw()
    cache_control: Any = None
    citations: Any = None
    caller: Any = None


class Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[Block] = ""


_TEXTS = {"application/json", "application/xml", "application/yaml", "application/x-yaml"}

_blocks = msgspec.json.Decoder(str | list[Block] | None)
_source = msgspec.json.Decoder(Source)


class Parts:
    """Translates blocks. Reports to `drop` what has no equivalent."""

    def __init__(self, names: tool_names.Names, drop: Callable[[str], None]) -> None:
        self._names = names
        self._drop = drop

    def result(self, block: Block) -> tuple[str, list[Part]]:
        """A tool result as text, and its parts that aren't text, for the user message that follows."""
        texts: list[str] = []
        media: list[Part] = []
        for part in self._nested(block.content):
            if isinstance(part, str):
                texts.append(part)
            else:
                kind = "image" if part["type"] == "image_url" else "document"
                texts.append(f"[The {kind} is in the next message]")
                media.append(part)
        text = "\n".join(filter(None, texts)) or "[No output]"
        return (f"Error: {text}" if block.is_error else text), media

    def _nested(self, content: msgspec.Raw, level: int = 2) -> list[Part]:
        """The content of a tool result or a search result: text, or blocks."""
        levels.check(level)
        inner = _blocks.decode(content) if content else None
        if isinstance(inner, str):
            return [inner]
        parts: list[Part] = []
        for block in inner or ():
            self.note(block)
            parts += self.of(block, level)
        return parts

    def of(self, block: Block, level: int = 1) -> list[Part]:
        match block.type:
            case "text":
                return [block.text or ""]
            case "image":
                return [self._image(_source.decode(block.source))]
            case "document":
                return self._document(block, level)
            case "search_result":
                source = msgspec.json.decode(block.source, type=str)
                inner = self._nested(block.content, level + 1)
                texts = [part for part in inner if isinstance(part, str)]
                return ["\n".join([f"[Search result: {block.title}, {source}]", *texts])]
            case "tool_reference":
                return [f"[The tool {self._names.sent(block.tool_name or '')} can be called now]"]
            case "tool_addition" | "tool_removal":
                # `tools.read` has applied them to the tools.
                return []
            case _:
                return [self.other(block)]

    def _image(self, source: Source) -> Part:
        if source.type == "base64":
            url = f"data:{source.media_type};base64,{source.data}"
        elif source.type == "url":
            url = source.url
        else:
            self._drop(f"messages[].content[].source.{source.type}")
            return "[An image that cannot be shown here]"
        return {"type": "image_url", "image_url": {"url": url}}

    def _document(self, block: Block, level: int) -> list[Part]:
        source = _source.decode(block.source)
        title = block.title or "document"
        heading = f"[Document: {title}]"
        if block.context:
            heading += f"\n{block.context}"
        if source.type == "base64" and _is_text(source.media_type):
            return [f"{heading}\n{_decoded(source.data)}"]
        if source.type == "base64" and source.media_type.startswith("image/"):
            return [heading, self._image(source)]
        if source.type == "base64":
            data = f"data:{source.media_type};base64,{source.data}"
            return [heading, {"type": "file", "file": {"filename": title, "file_data": data}}]
        if source.type == "text":
            return [f"{heading}\n{source.data}"]
        if source.type == "content":
            inner = source.content
            if isinstance(inner, str):
                return [f"{heading}\n{inner}"]
            levels.check(level + 1)
            return [heading, *(part for block in inner for part in self.of(block, level + 1))]
        if source.type == "url":
            return [f"{heading}\n{source.url}"]
        self._drop(f"messages[].content[].source.{source.type}")
        return [f"{heading}\n[It cannot be shown here]"]

    def other(self, block: Block) -> str:
        """A block without an equivalent: its readable content as text."""
        if not block.content or block.content == rawjson.NULL:
            self._drop(f"messages[].content[].{block.type}")
            return ""
        return server_blocks.result_text(block.type, block.content)

    def note(self, block: Block, *, is_cached: bool = False) -> None:
        """Report a block's fields that have no equivalent. `is_cached`: its cache point is kept."""
        if block.cache_control is not None and not is_cached:
            self._drop("messages[].content[].cache_control")
        if block.citations is not None:
            self._drop("messages[].content[].citations")
        if block.caller is not None:
            self._drop("messages[].content[].caller")


def marked(part: Part, cache_control: Any) -> Part:
    """A part as the end of what is cached, if the block's `cache_control` is a cache point."""
    if not isinstance(cache_control, dict):
        return part
    whole = text_part(part) if isinstance(part, str) else part
    return whole | {"cache_control": point(cache_control)}


def point(cache_control: dict[str, Any]) -> dict[str, Any]:
    """A cache point: https://openrouter.ai/docs/features/prompt-caching"""
    return {key: value for key, value in cache_control.items() if key in ("type", "ttl")}


def text_part(text: str | msgspec.Raw) -> dict[str, Any]:
    return {"type": "text", "text": text}


def content(parts: list[Part]) -> str | list[dict[str, Any]]:
    """A message's content. A plain string if possible, because every server accepts one."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "\n\n".join(texts) or requests.EMPTY
    return [text_part(part) if isinstance(part, str) else part for part in parts]


def _is_text(media_type: str) -> bool:
    """Whether a document is text, which every server understands. OpenAI's `file` is for PDFs."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml"))


def _decoded(data: str) -> str:
    """The text in base64.

    Raises:
        ValueError: it isn't base64.
    """
    try:
        raw = base64.b64decode(data)
    except ValueError as e:
        raise ValueError("messages[].content[].source.data: expected base64, got other text") from e
    return raw.decode("utf-8-sig", "replace")
