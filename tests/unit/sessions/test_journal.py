from __future__ import annotations

import pytest

from claude_route.sessions import journal


@pytest.mark.parametrize(
    ("added", "since", "expected"),
    [
        ("", 0, ""),
        ("abc", 0, "abc"),
        ("abc", 1, "bc"),
        ("abc", 3, ""),
        ("abc", 9, ""),
        ("abca", 3, "a"),
        ("abca", 0, "bca"),
        ("abcdef", 0, "cdef"),
        ("abcdef", 3, "def"),
        ("abcdef", -5, "cdef"),
    ],
)
def test_what_came_since(added: str, since: int, expected: str) -> None:
    kept = journal.Journal(4)
    for flow in added:
        kept.add(flow)
    assert "".join(kept.since(since)) == expected
    assert kept.count == len(added)


def test_the_oldest_are_forgotten() -> None:
    kept = journal.Journal(2)
    for flow in "abc":
        kept.add(flow)
    assert [kept.has(flow) for flow in "abc"] == [False, True, True]
