from __future__ import annotations

import pytest

from claude_route.routing import room


def names(kept: room.Room[int]) -> list[str]:
    return sorted(f"{client}/{name}" for client, name, _ in kept.items())


def test_the_client_with_the_most_loses_its_own() -> None:
    kept = room.Room[int](4)
    kept.put("bob", "b", 0)
    gone = [value for n in range(6) for value in kept.put("mallory", f"m{n}", n)]
    assert gone == [0, 1, 2]
    assert names(kept) == ["bob/b", "mallory/m3", "mallory/m4", "mallory/m5"]
    assert (len(kept), sorted(kept.values())) == (4, [0, 3, 4, 5])


def test_what_is_used_stays() -> None:
    kept = room.Room[int](2)
    kept.put("", "a", 1)
    kept.put("", "b", 2)
    kept.use("", "a")
    assert kept.put("", "c", 3) == [2]
    kept.put("", "a", 4)
    assert (kept.get("", "a"), kept.oldest(""), len(kept)) == (4, 3, 2)


def test_each_has_a_limit_of_its_own() -> None:
    kept = room.Room[int](10, each=2)
    assert [kept.put("alice", str(n), n) for n in range(3)] == [[], [], [0]]
    assert kept.put("bob", "0", 5) == []


@pytest.mark.parametrize(("weight", "gone"), [(1, [0]), (2, [0]), (3, [0, 1]), (5, [0, 1, 2])])
def test_what_is_heavy_takes_the_place_of_several(weight: int, gone: list[int]) -> None:
    kept = room.Room[int](4)
    for n, each in enumerate((2, 2)):
        kept.put("", str(n), n, weight=each)
    assert kept.put("", "2", 2, weight=weight) == gone


def test_what_is_taken_out_is_gone() -> None:
    kept = room.Room[int](4)
    kept.put("alice", "a", 1)
    assert (kept.pop("alice", "a"), kept.pop("alice", "a"), kept.pop("bob", "a")) == (1, None, None)
    assert (len(kept), kept.get("alice", "a"), kept.oldest("alice")) == (0, None, None)


def test_a_copy_is_another_room() -> None:
    kept = room.Room[int](2)
    kept.put("", "a", 1)
    copied = kept.copy()
    copied.put("", "b", 2)
    assert copied.put("", "c", 3) == [1]
    assert names(kept) == ["/a"]
