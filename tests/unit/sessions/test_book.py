from __future__ import annotations

import pytest

from claude_route.sessions import book
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import blocks_of
from tests.unit.sessions.examples import turn


def filled(*added: turns.Turn, max_turns: int = book.MAX_TURNS) -> book.Book:
    made = book.Book(max_turns)
    for each in added:
        made.add(each)
    return made


def test_the_newest_session_comes_first() -> None:
    made = filled(turn("f1", 1000), turn("f2", 1001, session="s2"), turn("f3", 1002))
    assert [session.id for session in made.sessions()] == ["s1", "s2"]
    assert len(made) == 3


def test_requests_without_a_session_are_one() -> None:
    made = filled(turn(session=""))
    assert [session.id for session in made.sessions()] == ["none"]
    assert made.session("none") is not None


def test_a_turn_is_found_by_its_flow() -> None:
    made = filled(turn("f1"), turn("f2", 1001))
    entry = made.entry("f2")
    assert entry is not None
    assert entry.turn.flow == "f2"
    assert made.has("f1")
    assert made.entry("f3") is None


def test_a_replay_replaces_its_turn() -> None:
    made = filled(turn("f1", 1000, prompt="first"), turn("f1", 1005, prompt="again"))
    (session,) = made.sessions()
    assert [each.prompt for each in session.turns] == ["again"]


def test_turns_that_end_late_get_their_place() -> None:
    made = filled(
        turn("f2", 1002, blocks=blocks_of("u:1 a:2 u:3")), turn("f1", 1000, blocks=blocks_of("u:1"))
    )
    (session,) = made.sessions()
    assert [(e.turn.flow, e.diff.unchanged) for e in session.entries] == [("f1", 0), ("f2", 1)]


def test_a_session_is_built_once_until_it_changes() -> None:
    made = filled(turn("f1"))
    first, version = made.session("s1"), made.version
    assert made.session("s1") is first
    made.add(turn("f2", 1001))
    assert made.session("s1") is not first
    assert made.version > version


def test_running_requests() -> None:
    made = filled(turn("f1"))
    made.began("s1", "f2", 1001)
    made.began("s1", "f3", 1001)
    made.began("s2", "f4", 1001)
    made.over("s1", "f3")
    made.over("nobody", "f9")
    (session,) = made.sessions()
    assert session.running == 1
    made.add(turn("f2", 1001))
    assert made.sessions()[0].running == 0


def test_the_oldest_session_is_dropped() -> None:
    made = filled(*(turn(f"f{n}", 1000 + n, session=f"s{n // 2}") for n in range(8)), max_turns=4)
    assert [session.id for session in made.sessions()] == ["s3", "s2"]
    assert not made.has("f0")


def test_a_long_session_loses_its_oldest_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MAX_SESSION", 20)
    made = filled(*(turn(f"f{n}", 1000 + n, blocks=blocks_of(f"s:x u:{n}")) for n in range(21)))
    (session,) = made.sessions()
    assert [session.entries[0].turn.flow, len(session.entries), len(made)] == ["f2", 19, 19]
    assert len(made.known("s1")[0]) == 20


def test_many_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MAX_SESSIONS", 3)
    made = filled(*(turn(f"f{n}", session=f"s{n}") for n in range(5)))
    assert [session.id for session in made.sessions()] == ["s4", "s3", "s2"]
    assert len(made) == 3


def test_turns_of_many_blocks_are_dropped_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MAX_WEIGHT", 1_000_000)

    def heavy(flow: str, session: str) -> turns.Turn:
        many = tuple(examples.block(f"{flow}-{number}") for number in range(500))
        return turn(flow, session=session, blocks=many)

    apart = filled(*(heavy(f"f{n}", f"s{n}") for n in range(10)))
    assert len(apart) == 3
    together = filled(*(heavy(f"f{n}", "s1") for n in range(10)))
    assert 1 <= len(together) <= 3


def test_a_client_sees_its_own_turns_only() -> None:
    made = filled(
        turn("f1", 1000, client="ann", prompt="ann's"),
        turn("f2", 1001, client="bob", prompt="bob's"),
        turn("f3", 1002, client="bob", session="s2"),
    )
    assert [session.id for session in made.sessions("bob")] == ["s2", "s1"]
    assert [session.title for session in made.sessions("ann")] == ["ann's"]
    mine = made.session("s1", "ann")
    assert mine is not None
    assert [each.flow for each in mine.turns] == ["f1"]
    assert made.session("s2", "ann") is None
    assert made.entry("f2", "ann") is None
    assert made.sessions("eve") == []


def test_known_blocks_and_calls() -> None:
    made = filled(turn(blocks=blocks_of("u:1"), answer=blocks_of("a:2")))
    known, calls = made.known("s1")
    assert sorted(block.label for block in known.values()) == ["1", "2"]
    assert calls == {}
    assert made.known("s2") == ({}, {})
