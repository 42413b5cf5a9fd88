from __future__ import annotations

import time

import pytest

from claude_route.sessions import diffs
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


def test_a_change_has_what_it_was() -> None:
    (change,) = diffs.between(blocks_of("s:x u:1"), blocks_of("s:y u:1")).changes
    assert change.before is not None
    assert (change.place, change.before.label) == (0, "x")


def test_repeated_blocks() -> None:
    diff = diffs.between(blocks_of("u:1 u:1"), blocks_of("u:1 u:1 u:1"))
    assert (diff.unchanged, diff.new) == (2, 1)


def test_long_conversations_take_linear_time() -> None:
    before = [examples.block(str(number)) for number in range(20_000)]
    after = [examples.block(str(number)) for number in range(19_999, -1, -1)]
    began = time.perf_counter()
    diffs.between(before, after)
    assert time.perf_counter() - began < 1
