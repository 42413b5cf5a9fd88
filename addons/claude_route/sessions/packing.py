"""Turns as bytes, for another process. Equal blocks of a session are written once, and are one object again."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import msgspec

from claude_route.sessions import turns


class _Light(msgspec.Struct, array_like=True):
    turn: turns.Turn
    """Without its blocks."""
    blocks: list[int]
    """The indexes of its blocks in the session's."""
    answer: list[int]


class _Session(msgspec.Struct, array_like=True):
    blocks: list[turns.Block]
    turns: list[_Light]


_DECODER = msgspec.msgpack.Decoder(list[_Session])


def pack(packed: Iterable[turns.Turn]) -> bytes:
    by_session: dict[str, list[turns.Turn]] = {}
    for turn in packed:
        by_session.setdefault(turn.session, []).append(turn)
    return msgspec.msgpack.encode([_session(each) for each in by_session.values()])


def _session(packed: Iterable[turns.Turn]) -> _Session:
    made = _Session([], [])
    places: dict[bytes, int] = {}

    def place(block: turns.Block) -> int:
        if block.digest not in places:
            places[block.digest] = len(made.blocks)
            made.blocks.append(block)
        return places[block.digest]

    for turn in packed:
        light = msgspec.structs.replace(turn, blocks=(), answer=())
        made.turns.append(_Light(light, [*map(place, turn.blocks)], [*map(place, turn.answer)]))
    return made


def unpack(data: bytes, known: Callable[[str], turns.Known]) -> list[turns.Turn]:
    """`known` has the blocks of a session that the reader has already.

    Raises:
        ValueError: it isn't what `pack` makes.
    """
    made = []
    for session in _DECODER.decode(data):
        mine: Sequence[turns.Block] = session.blocks
        if session.turns:
            have = known(session.turns[0].turn.session)
            mine = [have.get(block.digest, block) for block in session.blocks]
        try:
            for light in session.turns:
                blocks = tuple(mine[index] for index in light.blocks)
                answer = tuple(mine[index] for index in light.answer)
                made.append(msgspec.structs.replace(light.turn, blocks=blocks, answer=answer))
        except IndexError as e:
            raise ValueError("a turn names a block that isn't there") from e
    return made
