"""Why the prompt cache had less than the turn before left in it, and what that cost.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching: a cache holds a prefix of tools, system
and messages, in this order, of one model and one account, for five minutes or an hour since its last use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from claude_route.dialects import usage
from claude_route.sessions import diffs
from claude_route.sessions import turns

type Dollars = Callable[[str, str, usage.Usage], float | None]
"""What tokens cost: the target, the model as the client named it, and the tokens. None without a price."""

SMALLEST = 1024
"""Tokens. The cache takes no shorter prompts, and differences below that are the last blocks of a turn, which
few clients mark for the cache."""

SHARE = 0.9
"""The share of what the turn before left in the cache that has to be read from it, or it counts as missed."""


class Miss(NamedTuple):
    cause: str
    """`a tool changed`, `idle for 7 min`, `another token`, `another model`, …"""
    at: str
    """The first block that differs: `tool 7 (mcp__jira__search)`, `message block 12 (user text)`; empty
    where the cause isn't a block."""
    lost: int
    """Tokens that the cache could have had: those of blocks that both turns have."""
    cost: float | None
    """Dollars that this cost beyond reading them from the cache; None if no price is known."""
    reason: str = ""
    """What Anthropic's own diagnosis says; empty if it gives none."""


def saved(turn: turns.Turn, dollars: Dollars | None) -> float | None:
    """Dollars that the turn would have cost more without a prompt cache; negative where the cache was only written.
    None if no price is known, or the cache wasn't used."""
    used = turn.tokens
    if dollars is None or not (used.cache_read or used.cache_write) or turn.kind == "count":
        return None
    without = dollars(turn.target, turn.model, usage.Usage(used.prompt, used.output))
    cost = dollars(turn.target, turn.model, used)
    return None if without is None or cost is None else without - cost


def find(
    before: turns.Turn,
    turn: turns.Turn,
    blocks_before: diffs.Blocks,
    blocks: diffs.Blocks,
    dollars: Dollars | None = None,
) -> Miss | None:
    """Why the cache missed; None if it didn't, or had nothing to miss. `before` is the turn before whose tokens are known:
    what failed without an answer has left nothing in the cache."""
    if turn.used is None or before.used is None or turn.kind == "count":
        return None
    left = before.tokens.cache_read + before.tokens.cache_write
    expected = min(left, turn.tokens.prompt)
    read = turn.tokens.cache_read
    if not _is_missed(read, expected):
        return None
    expected = min(expected, _still_there(left, blocks_before, blocks))
    if not _is_missed(read, expected):
        return None
    lost = expected - read
    cause, at = _cause(before, turn, blocks_before, blocks)
    return Miss(cause, at, lost, _cost(turn, lost, dollars), turn.cache_miss_reason)


def _is_missed(read: int, expected: int) -> bool:
    return expected - read >= SMALLEST and read < SHARE * expected


def _still_there(left: int, before: diffs.Blocks, after: diffs.Blocks) -> int:
    """Of the tokens that the turn before left in the cache, those of blocks that are still asked. After a compaction
    most aren't: nothing could have had the summary."""
    has = {block.digest for block in after}
    whole = sum(block.tokens for block in before)
    gone = sum(block.tokens for block in before if block.digest not in has)
    return left - left * gone // whole if whole else left


def _cause(
    before: turns.Turn, turn: turns.Turn, blocks_before: diffs.Blocks, blocks: diffs.Blocks
) -> tuple[str, str]:
    """In the order of what the cache goes by: where it is, then what it has, then whether it is still
    there."""
    if turn.target != before.target:
        if turn.target.partition("/")[0] != before.target.partition("/")[0]:
            return f"another provider: {turn.target} after {before.target}", ""
        return f"another model: {turn.target} after {before.target}", ""
    if turn.token != before.token:
        return f"another token: {turn.token or 'none'} after {before.token or 'none'}", ""
    start = diffs.prefix(blocks_before, blocks)
    idle = turn.at - (before.at + before.seconds)
    expired = bool(before.ttl) and idle > before.ttl
    if diffs.is_compacted(before, blocks_before, turn, blocks):
        return "the conversation was compacted", ""
    if start < len(blocks_before):
        cause, at = _change(start, blocks_before, blocks)
        return (f"{cause}; also idle for {_span(idle)}" if expired else cause), at
    if expired:
        return f"idle for {_span(idle)}, and the cache lasts {_span(before.ttl)}", ""
    if not turn.ttl:
        return "the request asks for no cache", ""
    return turn.cache_miss_reason or "unknown: the prompt begins as before", ""


def _change(start: int, before: diffs.Blocks, after: diffs.Blocks) -> tuple[str, str]:
    old = before[start]
    new = after[start] if start < len(after) else None
    had = {block.digest for block in after}
    block = new if new and new.role == old.role else old
    at = _place(start, block, before if block is old else after)
    names = {"tools": "a tool", "system": "the system prompt", "user": "a message"}
    thing = names.get(old.role, "an answer")
    if old.role == "tools":
        defined = {each.name for each in before if each.role == "tools"}
        if new and new.role == "tools" and new.name not in defined:
            return f"a tool was added: {new.name}", at
        if old.digest not in had and all(each.name != old.name for each in after):
            return f"a tool was removed: {old.name}", _place(start, old, before)
        if old.digest in had:
            return "the tools are in another order", at
    if new is None:
        return f"{thing} was removed", at
    return f"{thing} changed", at


def _place(index: int, block: turns.Block, blocks: diffs.Blocks) -> str:
    """`tool 7 (Read)`, counted from 1 within its role or the messages."""
    is_message = block.role in turns.MESSAGES
    same = turns.MESSAGES if is_message else (block.role,)
    number = index + 1 - next(i for i, each in enumerate(blocks) if each.role in same)
    what = block.name or (f"{block.role} {block.kind}" if is_message else block.label)
    place = {"tools": "tool", "system": "system block"}.get(block.role, "message block")
    return f"{place} {number} ({what[:60]})"


def _cost(turn: turns.Turn, lost: int, dollars: Dollars | None) -> float | None:
    """What the lost tokens cost, at the price at which they were read or written again, beyond a read from the
    cache."""
    if dollars is None:
        return None
    tokens = turn.tokens
    written = min(lost, tokens.cache_write)
    hour = min(written, tokens.cache_write_1h)
    paid = dollars(
        turn.target,
        turn.model,
        usage.Usage(input=lost - written, cache_write=written, cache_write_1h=hour),
    )
    cached = dollars(turn.target, turn.model, usage.Usage(cache_read=lost))
    return None if paid is None or cached is None else max(paid - cached, 0.0)


def _span(seconds: float) -> str:
    """`40 s`, `7 min`, `2.5 h`"""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
