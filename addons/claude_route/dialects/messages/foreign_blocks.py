"""Changes messages and their blocks to what every provider understands."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import msgspec

from claude_route.dialects import call_ids
from claude_route.dialects.messages import levels
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

# Blocks about actions or data of Anthropic's servers. So are those of type `…_tool_result`.
_SERVER_BLOCKS = {
    "container_upload",
    "fallback",
    "mcp_tool_listing",
    "mcp_tool_use",
    "server_tool_use",
}


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    cache_control: msgspec.Raw = rawjson.NULL
    content: msgspec.Raw = rawjson.NULL
    tool_name: str = ""
    text: msgspec.Raw = rawjson.NULL
    citations: msgspec.Raw = rawjson.NULL
    id: Any = None
    tool_use_id: Any = None

    @property
    def is_left_out(self) -> bool:
        """Whether it has nothing for other providers. Some refuse an empty text."""
        if self.type == "text":
            return requests.is_blank(self.text)
        return self.is_servers

    @property
    def is_servers(self) -> bool:
        # A failed compaction has no content.
        return (
            self.type in _SERVER_BLOCKS
            or self.type.endswith("_tool_result")
            or (self.type == "compaction" and self.content == rawjson.NULL)
        )

    @property
    def has_scope(self) -> bool:
        return self.cache_control is not rawjson.NULL and b'"scope"' in bytes(self.cache_control)

    @property
    def has_blocks(self) -> bool:
        return self.type == "tool_result" and rawjson.is_array(self.content)


class _Item(msgspec.Struct):
    """A part of a `system` message within the conversation."""

    text: msgspec.Raw = rawjson.NULL
    cache_control: msgspec.Raw = rawjson.NULL


_BLOCKS = list[_Block]

_NO_BLOCKS = msgspec.Raw(b"[]")

_NO_OUTPUT = rawjson.encode("[No output]")
"""The content of a result that had only an empty text."""

type CallId = Callable[[str], str]
"""Returns a call's id as a provider accepts it."""


def turns(
    history: list[requests.Message], call_id: CallId = call_ids.decode
) -> list[requests.Message]:
    """The conversation with `system` messages as reminders in user messages. Unchanged messages are
    the same objects.

    Raises:
        ValueError: a message is not in Anthropic's form.
    """
    merged: list[requests.Message] = []
    sides = itertools.groupby(enumerate(history), key=lambda item: item[1].role == "assistant")
    for _, side in sides:
        spoken = []
        reminders: list[msgspec.Raw] = []
        for n, message in side:
            place = f"messages[{n}].content"
            if message.role == "system":
                reminders += _reminders(message, place)
            else:
                spoken.append(_cleaned(message, place, call_id))
        merged += [_reminded(spoken, reminders)] if reminders else map(_filled, spoken)
    if history and history[-1].role == "assistant":
        merged[-1] = spoken[-1]  # it may be empty: the provider continues it
    return merged


def _filled(message: requests.Message) -> requests.Message:
    """The message with a text, if it is empty: `all messages must have non-empty content except for the
    optional final assistant message`."""
    is_empty = message.content == _NO_BLOCKS
    if is_empty or (not message.has_blocks and requests.is_blank(message.content)):
        return message.with_blocks([])
    return message


def reminder(text: str) -> str:
    """The tag with which clients mark their own text within user messages."""
    if text.startswith("<system-reminder>"):
        return text
    return f"<system-reminder>\n{text}\n</system-reminder>"


def _reminded(spoken: list[requests.Message], reminders: list[msgspec.Raw]) -> requests.Message:
    """A user message with the reminders at its end, because tool results must come first."""
    blocks = itertools.chain.from_iterable(map(_blocks, spoken))
    return requests.Message("user").with_blocks([*blocks, *reminders])


def _blocks(message: requests.Message) -> Iterable[msgspec.Raw]:
    if message.has_blocks:
        return rawjson.decode(message.content, list[msgspec.Raw])
    if message.content in (rawjson.NULL, msgspec.Raw(b'""')):
        return []
    return [rawjson.encode({"type": "text", "text": message.content})]


def _reminders(message: requests.Message, place: str) -> Iterator[msgspec.Raw]:
    """The texts of a `system` message. Its other parts are about tools, or only for Anthropic."""
    items = [_Item(message.content)]
    if message.has_blocks:
        items = rawjson.decode(message.content, list[_Item], place)
    for item in items:
        text = "" if item.text == rawjson.NULL else rawjson.decode(item.text, str, place)
        if not text.strip():
            continue
        block: dict[str, object] = {"type": "text", "text": reminder(text)}
        if item.cache_control != rawjson.NULL:
            block["cache_control"] = unscoped(item.cache_control)
        yield rawjson.encode(block)


def _cleaned(message: requests.Message, place: str, call_id: CallId) -> requests.Message:
    if not message.has_blocks:
        return message
    content = clean(message.content, place, call_id)
    if content is message.content:
        return message
    return message.with_blocks(rawjson.decode(content, list[msgspec.Raw]))


def clean(
    content: msgspec.Raw, place: str, call_id: CallId = call_ids.decode, level: int = 1
) -> msgspec.Raw:
    """An array of blocks without those of Anthropic's servers; the same object if it has none.

    Raises:
        ValueError: it isn't in Anthropic's form.
    """
    blocks = rawjson.decode(content, _BLOCKS, place)
    if not _are_foreign(blocks, call_id, level):
        return content
    raws = rawjson.decode(content, list[msgspec.Raw], place)
    pairs = zip(raws, blocks, strict=True)
    return rawjson.encode(
        [_clean(raw, block, call_id, level) for raw, block in pairs if not block.is_left_out]
    )


def _are_foreign(blocks: list[_Block], call_id: CallId, level: int) -> bool:
    # A loop, because a generator for each message takes longer than the blocks.
    for block in blocks:  # noqa: SIM110
        if _is_foreign(block, call_id, level):
            return True
    return False


def _is_foreign(block: _Block, call_id: CallId, level: int) -> bool:
    if block.cache_control is not rawjson.NULL and block.has_scope:
        return True
    kind = block.type
    if kind == "text":
        return requests.is_blank(block.text) or block.citations is not rawjson.NULL
    if kind == "tool_use":
        return isinstance(block.id, str) and call_id(block.id) != block.id
    if kind == "tool_result":
        id = block.tool_use_id
        if isinstance(id, str) and call_id(id) != id:
            return True
        if not rawjson.is_array(block.content):
            return False
        levels.check(level + 1)
        inner = rawjson.decode(block.content, _BLOCKS, "tool_result.content")
        return _are_foreign(inner, call_id, level + 1)
    return kind in ("tool_reference", "compaction") or block.is_servers


def _clean(raw: msgspec.Raw, block: _Block, call_id: CallId, level: int) -> msgspec.Raw:
    if block.type == "tool_reference":
        text = f"[The tool {block.tool_name} can be called now]"
        return rawjson.encode({"type": "text", "text": text})
    if block.type == "compaction":
        return rawjson.encode({"type": "text", "text": block.content})
    if not _is_foreign(block, call_id, level):
        return raw
    fields = rawjson.decode(raw, dict[str, msgspec.Raw])
    # What they cite stays behind, such as the results of a server's search.
    fields.pop("citations", None)
    if block.has_scope:
        fields["cache_control"] = unscoped(block.cache_control)
    key = "id" if block.type == "tool_use" else "tool_use_id"
    if id := _id(getattr(block, key), call_id):
        fields[key] = rawjson.encode(id)
    if block.has_blocks:
        levels.check(level + 1)
        cleaned = clean(block.content, "tool_result.content", level=level + 1)
        fields["content"] = cleaned if cleaned != _NO_BLOCKS else _NO_OUTPUT
    return rawjson.encode(fields)


def _id(id: object, call_id: CallId) -> str | None:
    """The id of a call, as the provider accepts it, if it is another."""
    if not isinstance(id, str) or (other := call_id(id)) == id:
        return None
    return other


def unscoped(cache_control: msgspec.Raw) -> msgspec.Raw:
    """The cache point without its scope; the same object if it has none."""
    if b'"scope"' not in bytes(cache_control):
        return cache_control
    fields = rawjson.decode(cache_control, dict[str, msgspec.Raw], "cache_control")
    fields.pop("scope", None)
    return rawjson.encode(fields)
