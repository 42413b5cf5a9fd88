"""What is new in a turn since the turn before: blocks added, changed and removed."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from typing import Literal
from typing import NamedTuple

from claude_route.sessions import turns

type Blocks = Sequence[turns.Block]


class Change(NamedTuple):
    what: Literal["added", "changed", "removed"]
    place: int
    """The index of the block, or where it was removed."""
    block: turns.Block
    """As it is now; as it was, if it was removed."""
    before: turns.Block | None = None
    """As it was, if it was changed."""


class Diff(NamedTuple):
    unchanged: int
    """How many blocks both turns have."""
    changes: tuple[Change, ...]
    """In the order of the conversation."""

    @property
    def new(self) -> int:
        """How many blocks were added or changed."""
        return sum(change.what != "removed" for change in self.changes)

    @property
    def removed(self) -> int:
        return len(self.changes) - self.new


class Counts(NamedTuple):
    """How many blocks were changed, without which: a tenth of the work."""

    unchanged: int
    new: int
    removed: int


MAX_COMPARED = 4000
"""Blocks of both sides that `count` looks for on the other side: Claude Code's conversations have some hundreds."""


def prefix(before: Blocks, after: Blocks) -> int:
    """How many blocks are equal from the beginning: what the prompt cache goes by."""
    if before == after[: len(before)]:  # nearly always, and compared by identity
        return len(before)
    pairs = enumerate(zip(before, after, strict=False))
    return next((i for i, (old, new) in pairs if old.digest != new.digest), len(after))


def begins_anew(before: Blocks, after: Blocks) -> bool:
    """Whether the messages begin with another block, as after a compaction that the client took up."""
    first = [
        next((block for block in side if block.role in turns.MESSAGES), None)
        for side in (before, after)
    ]
    old, new = first
    return bool(old and new and old.digest != new.digest)


def is_compacted(
    before: turns.Turn, blocks_before: Blocks, turn: turns.Turn, blocks: Blocks
) -> bool:
    """Whether a summary, which the turn before has made, has replaced the conversation: the client may also throw
    it away."""
    is_behind = before.kind == "compaction" and turn.kind != "compaction"
    return is_behind and begins_anew(blocks_before, blocks)


def between(before: Blocks, after: Blocks, *, is_anew: bool = False) -> Diff:
    """Takes time proportional to both. Within what is neither a common beginning nor a common end, a block
    that is in both counts as unchanged, wherever it is. `is_anew`: a summary has replaced the messages before it, so
    that none is a change of another."""
    gone, come = _moved(before, after)
    changes = []
    # What stands in place of something is a change of it, if it is of the same role.
    left = []
    for role in ("tools", "system", *turns.MESSAGES):
        mine = [[each for each in side if each[1].role == role] for side in (gone, come)]
        if is_anew and role in turns.MESSAGES:
            left += [Change("removed", *was) for was in mine[0]]
            mine[0] = []
        for was, now in itertools.zip_longest(*mine):
            if was and now:
                changes.append(Change("changed", now[0], now[1], was[1]))
            elif now:
                changes.append(Change("added", *now))
            else:
                left.append(Change("removed", *was))
    ordered = sorted([*changes, *left], key=lambda change: (change.place, change.what != "removed"))
    unchanged = len(after) - sum(change.what != "removed" for change in ordered)
    return Diff(unchanged, tuple(ordered))


def count(before: Blocks, after: Blocks, *, is_anew: bool = False) -> Counts:
    """What the numbers of `between` are. Beyond MAX_COMPARED, all blocks between the common beginning and the
    common end count as new or removed."""
    start, end = _common(before, after)
    old, new = len(before) - start - end, len(after) - start - end
    if old + new > MAX_COMPARED:
        return Counts(start + end, new, old if is_anew else max(0, old - new))
    gone, come = _moved(before, after)
    was, now = (collections.Counter(block.role for _, block in side) for side in (gone, come))
    if is_anew:
        for role in turns.MESSAGES:
            del now[role]
    return Counts(len(after) - len(come), len(come), (was - now).total())


def _common(before: Blocks, after: Blocks) -> tuple[int, int]:
    """How many blocks are equal at the beginning, and how many of the rest at the end."""
    start = prefix(before, after)
    old, new = before[start:], after[start:]
    return start, prefix(old[::-1], new[::-1]) if old else 0


type _Placed = list[tuple[int, turns.Block]]


def _moved(before: Blocks, after: Blocks) -> tuple[_Placed, _Placed]:
    """The blocks that are only in one of them, with their places."""
    start, end = _common(before, after)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    had, has = {block.digest for block in old}, {block.digest for block in new}
    gone = [(i, block) for i, block in enumerate(old, start) if block.digest not in has]
    come = [(i, block) for i, block in enumerate(new, start) if block.digest not in had]
    return gone, come
