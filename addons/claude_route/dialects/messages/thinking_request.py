"""The thinking in a conversation, on its way to a provider: each takes only what it made."""

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
        """Its signature, of whatever kind the block is."""
        mark = self.data if self.type == "redacted_thinking" else self.signature
        return mark if isinstance(mark, str) else ""


_BLOCKS = list[_Block]


def keep(history: list[requests.Message], provider: targets.Provider) -> list[requests.Message]:
    """The conversation with the thinking that the provider's policy lets it see.

    A message that stays as it is stays the same object.

    Raises:
        ValueError: an assistant's message is not in Anthropic's form.
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
    """`messages` with the contents that `history` has, all else verbatim."""
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
    """Thinking off, if in `history` the last step of a tool loop has lost its own.

    In manual mode that step has to begin with thinking. Without thinking there can be no
    clear_thinking edit.

    Raises:
        ValueError: context_management is not in Anthropic's form.
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
    # Neighbours of one role are one message to Anthropic.
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
    left = [edit for edit in listed if rawjson.kind(edit) != _CLEAR]
    return rawjson.encode(management | {"edits": rawjson.encode(left)}) if left else None
