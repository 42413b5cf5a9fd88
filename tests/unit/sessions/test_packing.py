from __future__ import annotations

import msgspec
import pytest

from claude_route.dialects import usage
from claude_route.sessions import packing
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import turn

ONE = turn(
    blocks=examples.blocks_of("t:a s:b u:c"),
    answer=examples.blocks_of("a:d"),
    failed=(turns.Failed("zai/glm-5", "529", "f0", "token 1", "", 3.0),),
    passed_over=(turns.PassedOver("kimi/k2", "rests"),),
    calls=(turns.Call("t1", "Agent", "look", prompt=b"hash"),),
    launched=(("t1", "a1"),),
    used=usage.Usage(1, 2, 3, 4),
    words=b"\x78\x01",
)
TWO = turn("f2", 1001, blocks=examples.blocks_of("t:a s:b u:c a:d u:e"))
OTHER = turn("f3", session="s2", blocks=examples.blocks_of("u:c"))


def nothing(session: str) -> turns.Known:
    return {}


def test_turns_come_back_as_they_were() -> None:
    every = [ONE, OTHER, TWO]
    back = packing.unpack(packing.pack(every), nothing)
    assert sorted(back, key=lambda each: each.flow) == [ONE, TWO, OTHER]
    assert packing.unpack(packing.pack([]), nothing) == []


def test_equal_blocks_are_one_object() -> None:
    one, two = packing.unpack(packing.pack([ONE, TWO]), nothing)
    assert all(a is b for a, b in zip((*one.blocks, *one.answer), two.blocks, strict=False))
    known = {block.digest: block for block in ONE.blocks}
    asked = []

    def have(session: str) -> turns.Known:
        asked.append(session)
        return known

    (again,) = packing.unpack(packing.pack([ONE]), have)
    assert all(a is b for a, b in zip(again.blocks, ONE.blocks, strict=True))
    assert asked == ["s1"]


def test_a_block_is_written_once() -> None:
    many = [turn(f"f{n}", blocks=ONE.blocks * 100) for n in range(10)]
    assert len(packing.pack(many)) < 2 * len(packing.pack([turn()])) * 10


@pytest.mark.parametrize("data", [b"", b"\x93", b"x", packing.pack([ONE])[:-1]])
def test_what_is_no_turn(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        packing.unpack(data, nothing)


def test_a_place_without_a_block() -> None:
    bare = packing._Session([], [packing._Light(turn(), [0], [])])
    with pytest.raises(ValueError, match="names a block"):
        packing.unpack(msgspec.msgpack.encode([bare]), nothing)
