"""Removes thinking from a conversation for a provider: each accepts only its own."""

from __future__ import annotations

import itertools
from typing import Any
from typing import Literal

import msgspec

from claude_route import targets
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson

_CLEAR = "clear_thinking_20251015"


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    signature: Any = None
    data: Any = None

    @property
    def mark(self) -> str:
        """The signature, whatever the kind of block."""
        mark = self.data if self.type == "redacted_thinking" else self.signature
        return mark if isinstance(mark, str) else ""


_BLOCKS = list[_Block]


def keep(history: list[requests.Message], provider: targets.Provider) -> list[requests.Message]:
    """The conversation with the thinking that the provider's policy allows.

    Unchanged messages are the same objects.

    Raises:
        ValueError: an assistant's message isn't in Anthropic's form.
    """
    if provider.thinking.requests == "none":
        return history
    return [
        _keep(message, f"messages[{n}].content", provider)
        if message.role == "assistant" and message.has_blocks
        else message
        for n, message in enumerate(history)
    ]


def _keep(message: requests.Message, place: str, provider: targets.Provider) -> requests.Message:
    blocks = rawjson.decode(message.content, _BLOCKS, place)
    fates = [_fate(block, provider) for block in blocks]
    if "drop" not in fates and "untag" not in fates:
        return message
    raws = rawjson.decode(message.content, list[msgspec.Raw], place)
    kept = [
        _untag(raw, block, provider) if fate == "untag" else raw
        for raw, block, fate in zip(raws, blocks, fates, strict=True)
        if fate != "drop"
    ]
    return message.with_blocks(kept)


def _fate(block: _Block, provider: targets.Provider) -> Literal["keep", "untag", "drop"]:
    if block.type not in thinking.KINDS:
        return "keep"
    mark = block.mark
    if provider.thinking.requests == "all" or thinking.origin(block.type, mark) != provider.name:
        return "drop"
    return "untag" if mark.startswith(thinking.TAG) else "keep"


def _untag(raw: msgspec.Raw, block: _Block, provider: targets.Provider) -> msgspec.Raw:
    fields = rawjson.decode(raw, dict[str, msgspec.Raw])
    signature = thinking.untag(block.mark, provider.name)
    return rawjson.encode(fields | {thinking.mark(block.type): rawjson.encode(signature)})


def merge(request: requests.Request, history: list[requests.Message]) -> requests.Edits:
    """`messages` with the contents of `history`, and everything else unchanged."""
    if history == request.messages:
        return {}
    place = "messages"
    listed = rawjson.decode(request.fields[place], list[msgspec.Raw], place)
    for n, (before, after) in enumerate(zip(request.messages, history, strict=True)):
        if after is not before:
            fields = rawjson.decode(listed[n], dict[str, msgspec.Raw])
            listed[n] = rawjson.encode(fields | {"content": after.content})
    return {place: rawjson.encode(listed)}


def switch_off(request: requests.Request, history: list[requests.Message]) -> requests.Edits:
    """Switch thinking off if the last step of a tool loop has lost its thinking in `history`.

    In manual mode that step must begin with thinking. With thinking off, a clear_thinking edit is
    invalid.

    Raises:
        ValueError: context_management isn't in Anthropic's form.
    """
    if not _breaks_loop(request.messages, history):
        return {}
    fields = request.fields
    if rawjson.kind(fields.get("thinking", rawjson.NULL)) != "enabled":
        return {}
    edits: dict[str, msgspec.Raw | None] = {"thinking": rawjson.encode({"type": "disabled"})}
    if fields.get("context_management", rawjson.NULL) != rawjson.NULL:
        edits["context_management"] = _without_clearing(fields["context_management"])
    return edits


def _breaks_loop(before: list[requests.Message], after: list[requests.Message]) -> bool:
    # Anthropic treats adjacent messages of one role as one message.
    sides = itertools.groupby(range(len(before)), key=lambda n: before[n].role == "assistant")
    steps = [list(places) for is_assistants, places in sides if is_assistants]
    last = steps[-1] if steps else []
    if all(after[n] is before[n] for n in last):
        return False
    contents = [after[n].content for n in last if after[n].has_blocks]
    kinds = {block.type for content in contents for block in rawjson.decode(content, _BLOCKS)}
    return "tool_use" in kinds and kinds.isdisjoint(thinking.KINDS)


def _without_clearing(context_management: msgspec.Raw) -> msgspec.Raw | None:
    place = "context_management"
    management = rawjson.decode(context_management, dict[str, msgspec.Raw], place)
    listed = rawjson.decode(management.get("edits", b"[]"), list[msgspec.Raw], f"{place}.edits")
    kept = [edit for edit in listed if rawjson.kind(edit) != _CLEAR]
    return rawjson.encode(management | {"edits": rawjson.encode(kept)}) if kept else None
