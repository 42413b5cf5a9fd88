"""Removes thinking from a conversation for a provider: each accepts only its own, and some require it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from claude_route import targets
from claude_route.dialects.messages import assistant_blocks
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson


def keep(
    history: list[requests.Message],
    provider: targets.Provider,
    blocks: Sequence[list[assistant_blocks.Block]] | None = None,
) -> list[requests.Message]:
    """The conversation with the thinking that the provider's policy allows.

    Unchanged messages are the same objects. `blocks` are those of its messages, if they are known.

    Raises:
        ValueError: an assistant's message isn't in Anthropic's form.
    """
    if provider.thinking.requests == "none":
        return history
    if blocks is None:
        blocks = assistant_blocks.read(history)
    return [
        _keep(message, in_message, provider) if in_message else message
        for message, in_message in zip(history, blocks, strict=True)
    ]


def _keep(
    message: requests.Message, blocks: list[assistant_blocks.Block], provider: targets.Provider
) -> requests.Message:
    for block in blocks:
        if block.type in thinking.KINDS and _fate(block, provider) != "keep":
            break
    else:
        return message
    fates = [_fate(block, provider) for block in blocks]
    raws = rawjson.decode(message.content, list[msgspec.Raw])
    kept = [
        _untag(raw, block, provider) if fate == "untag" else raw
        for raw, block, fate in zip(raws, blocks, fates, strict=True)
        if fate != "drop"
    ]
    return message.with_blocks(kept)


def _fate(
    block: assistant_blocks.Block, provider: targets.Provider
) -> Literal["keep", "untag", "drop"]:
    if block.type not in thinking.KINDS:
        return "keep"
    mark = block.mark
    if provider.thinking.requests == "all" or thinking.origin(block.type, mark) != provider.name:
        return "drop"
    return "untag" if mark.startswith(thinking.TAG) else "keep"


def _untag(
    raw: msgspec.Raw, block: assistant_blocks.Block, provider: targets.Provider
) -> msgspec.Raw:
    fields = rawjson.decode(raw, dict[str, msgspec.Raw])
    signature = thinking.untag(block.mark, provider.name)
    return rawjson.encode(fields | {thinking.mark(block.type): rawjson.encode(signature)})


def fill(history: list[requests.Message]) -> list[requests.Message]:
    """The conversation with an empty thinking block in each message that calls a tool without thinking.

    DeepSeek: `The content[].thinking in the thinking mode must be passed back to the API.` It accepts an
    empty block, and requires none in messages without calls. Unchanged messages are the same objects.

    Raises:
        ValueError: an assistant's message isn't in Anthropic's form.
    """
    return [
        _filled(message) if _lacks_thinking(in_message) else message
        for message, in_message in zip(history, assistant_blocks.read(history), strict=True)
    ]


def _lacks_thinking(blocks: list[assistant_blocks.Block]) -> bool:
    kinds = {block.type for block in blocks}
    return "tool_use" in kinds and kinds.isdisjoint(thinking.KINDS)


def _filled(message: requests.Message) -> requests.Message:
    empty = rawjson.encode({"type": "thinking", "thinking": "", "signature": ""})
    return message.with_blocks([empty, *rawjson.decode(message.content, list[msgspec.Raw])])


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
