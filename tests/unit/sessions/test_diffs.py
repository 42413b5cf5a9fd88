from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from claude_route.sessions import diffs
from claude_route.sessions import turns
from tests import growth
from tests.unit.sessions import examples
from tests.unit.sessions.examples import blocks_of


@pytest.mark.parametrize(
    ("before", "after", "unchanged", "changes"),
    [
        ("", "t:r s:x u:1", 0, "+r +x +1"),
        ("t:r u:1", "t:r u:1", 2, ""),
        ("t:r u:1", "t:r u:1 a:2 u:3", 2, "+2 +3"),
        ("t:r s:x u:1", "t:r s:y u:1", 2, "~y"),
        ("t:r t:w u:1", "t:r u:1 a:2", 2, "-w +2"),
        ("t:r u:1", "t:r t:w u:1", 2, "+w"),
        ("t:r t:w u:1", "t:w t:r u:1", 3, ""),
        ("s:x u:1 a:2 u:3", "s:x u:9", 1, "~9 -2 -3"),
        ("u:1 a:2", "u:1", 1, "-2"),
    ],
)
def test_changes(before: str, after: str, unchanged: int, changes: str) -> None:
    diff = diffs.between(blocks_of(before), blocks_of(after))
    signs = {"added": "+", "changed": "~", "removed": "-"}
    assert diff.unchanged == unchanged
    assert sorted(f"{signs[c.what]}{c.block.label}" for c in diff.changes) == sorted(
        changes.split()
    )
    assert diff.unchanged + diff.new == len(blocks_of(after))
    assert diff.removed == changes.count("-")
    assert diffs.count(blocks_of(before), blocks_of(after)) == (
        diff.unchanged,
        diff.new,
        diff.removed,
    )


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("s:x u:1 a:2 u:sum", "s:x u:new a:2 u:3", "+new +3 -1 -sum"),
        ("t:r s:x u:1", "t:w s:y u:new", "~w ~y +new -1"),
        ("u:1 a:2 u:sum", "u:new", "+new -1 -2 -sum"),
        ("u:1", "u:1 a:2", "+2"),
    ],
)
def test_no_message_is_a_change_of_one_that_was_summed_up(
    before: str, after: str, changes: str
) -> None:
    diff = diffs.between(blocks_of(before), blocks_of(after), is_anew=True)
    signs = {"added": "+", "changed": "~", "removed": "-"}
    shown = [f"{signs[c.what]}{c.block.label}" for c in diff.changes]
    assert sorted(shown) == sorted(changes.split())
    counts = diffs.count(blocks_of(before), blocks_of(after), is_anew=True)
    assert counts == (diff.unchanged, diff.new, diff.removed)


@pytest.mark.parametrize(
    ("before", "after", "is_anew"),
    [
        ("t:r s:x u:1 a:2 u:sum", "t:r s:x u:summary u:3", True),
        ("t:r s:x u:1 a:2 u:sum", "t:r s:x u:1 a:2 u:3", False),
        ("t:r s:x u:1 u:sum", "t:w s:y u:1", False),
        ("s:x", "s:x u:1", False),
        ("u:1", "s:x", False),
    ],
)
def test_whether_the_messages_begin_anew(before: str, after: str, is_anew: bool) -> None:
    assert diffs.begins_anew(blocks_of(before), blocks_of(after)) == is_anew


def test_a_change_has_what_it_was() -> None:
    (change,) = diffs.between(blocks_of("s:x u:1"), blocks_of("s:y u:1")).changes
    assert change.before is not None
    assert (change.place, change.before.label) == (0, "x")


def test_repeated_blocks() -> None:
    diff = diffs.between(blocks_of("u:1 u:1"), blocks_of("u:1 u:1 u:1"))
    assert (diff.unchanged, diff.new) == (2, 1)


def test_long_conversations_take_linear_time() -> None:
    every = [examples.block(str(number)) for number in range(20_000)]
    compare = lambda size: diffs.between(every[:size], every[:size][::-1])  # noqa: E731
    assert growth.of(compare, 5000) < growth.LINEAR


class Looked(tuple[turns.Block, ...]):
    """Blocks that count how often one is looked at."""

    looks = 0

    def __iter__(self) -> Iterator[turns.Block]:
        for block in super().__iter__():
            type(self).looks += 1
            yield block

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return type(self)(found) if isinstance(place, slice) else found


def test_what_has_nothing_in_common_is_not_compared_block_by_block() -> None:
    """Whoever sends one conversation after another of 20,000 blocks each makes no page slow."""
    sides = [Looked(examples.block(f"{side}{n}") for n in range(20_000)) for side in "ab"]
    Looked.looks = 0
    assert diffs.count(*sides) == diffs.Counts(0, 20_000, 0)
    assert Looked.looks < 10
    assert diffs.count(sides[0], sides[1][:9000]) == diffs.Counts(0, 9000, 11_000)


@pytest.mark.parametrize("size", [diffs.MAX_COMPARED // 2, diffs.MAX_COMPARED])
def test_the_beginning_and_the_end_of_the_longest_are_in_common(size: int) -> None:
    same = tuple(examples.block(f"s{n}") for n in range(size))
    old, new = (tuple(examples.block(f"{side}{n}") for n in range(size)) for side in "ab")
    assert diffs.count((*same, *old, *same), (*same, *new, *same)) == (2 * size, size, 0)
