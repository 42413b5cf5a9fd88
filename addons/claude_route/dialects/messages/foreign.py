"""Removes from a request what only Anthropic understands, for other providers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from claude_route.dialects import call_ids
from claude_route.dialects.messages import foreign_blocks
from claude_route.dialects.messages import foreign_tools
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

# Fields that refer to something on Anthropic's servers, or require a beta header, which we don't send.
_FIELDS = {
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "resumption",
    "safeguards",
    "service_tier",
    "speed",
    "thread",
    "user_profile_id",
}

BILLING = "x-anthropic-billing-header"
"""The beginning of Claude Code's first system block. Anthropic's servers remove the block; other
providers would treat it as part of the prompt."""


class _Block(msgspec.Struct):
    text: str = ""


def edits(
    request: requests.Request,
    history: list[requests.Message] | None,
    call_id: Callable[[str], str] = call_ids.decode,
) -> requests.Edits:
    """The changes to a request. `history` has the messages that the provider may see; None stands for all
    of a conversation that fits as it is. `call_id` returns a call's id as the provider accepts it.

    Raises:
        ValueError: a part isn't in Anthropic's form.
    """
    fields = request.fields
    changed: dict[str, msgspec.Raw | None] = dict.fromkeys(fields.keys() & _FIELDS)
    if "cache_control" in fields:
        changed["cache_control"] = foreign_blocks.unscoped(fields["cache_control"])
    if "system" in fields:
        changed["system"] = _system(fields["system"])
    changed |= foreign_tools.edits(fields, history or [])
    if history is not None:
        turns = foreign_blocks.turns(history, call_id)
        if turns != request.messages or any(message.is_marked for message in turns):
            plain = [{"role": turn.role, "content": turn.content} for turn in turns]
            changed["messages"] = rawjson.encode(plain)
    return {name: raw for name, raw in changed.items() if raw is not fields.get(name)}


def unbilled(system: str) -> str:
    """A system prompt that is a string, without the billing line; the same object if it has none."""
    return system.partition("\n")[2].strip("\n") if system.startswith(BILLING) else system


def _system(system: msgspec.Raw) -> msgspec.Raw | None:
    """The system prompt without the billing block; the same object if nothing changes."""
    if memoryview(system)[0] == ord('"'):
        text = rawjson.decode(system, str, "system")
        rest = unbilled(text)
        if rest is text:
            return system
        return rawjson.encode(rest) if rest else None
    if system == rawjson.NULL:
        return system
    cleaned = foreign_blocks.clean(system, "system")
    blocks = rawjson.decode(cleaned, list[_Block], "system")
    if not any(block.text.startswith(BILLING) for block in blocks):
        return cleaned
    raws = zip(rawjson.decode(cleaned, list[msgspec.Raw]), blocks, strict=True)
    kept = [raw for raw, block in raws if not block.text.startswith(BILLING)]
    return rawjson.encode(kept) if kept else None
