from __future__ import annotations

import collections
import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.dialects import usage
from claude_route.sessions import book
from claude_route.sessions import prefixes
from claude_route.sessions import shares
from claude_route.sessions import tree
from claude_route.sessions import turns
from tests import growth
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


def test_a_client_sees_its_own_running_requests() -> None:
    made = filled(turn("f1", client="alice"))
    made.began("s1", "f2", 1001, "alice")
    made.began("s1", "f3", 1002, "bob")
    alices, bobs = book.Running(1001, "alice"), book.Running(1002, "bob")
    assert made.running("s1") == {"f2": alices, "f3": bobs}
    assert made.running("s1", "alice") == {"f2": alices}
    assert [each.running for each in (*made.sessions(), *made.sessions("alice"))] == [2, 1]
    made.add(turn("f4", 1003, client="bob"))
    assert [made.sessions(name)[0].running for name in (None, "alice", "bob")] == [2, 1, 1]


def test_a_session_that_has_begun() -> None:
    made = book.Book()
    made.began("s1", "f1", 1002, "alice", "explain it")
    made.began("s1", "f2", 1001, "bob", "mend it")
    assert made.sessions() == []
    (session,) = made.sessions(begun=True)
    assert (session.id, session.started, session.ended, session.running) == ("s1", 1001, 1001, 2)
    (own,) = made.sessions("alice", begun=True)
    assert (own.started, own.running) == (1002, 1)
    assert (session.title, own.title) == ("mend it", "explain it")
    assert made.session("s1", "carol", begun=True) is None
    made.add(turn("f1", 1002, client="alice"))
    assert made.sessions(begun=True)[0].turns
    made.over("s1", "f2")
    assert made.session("s1", "bob", begun=True) is None


def test_the_oldest_session_is_dropped() -> None:
    made = filled(*(turn(f"f{n}", 1000 + n, session=f"s{n // 2}") for n in range(8)), max_turns=4)
    assert [session.id for session in made.sessions()] == ["s3", "s2"]
    assert not made.has("f0")


def test_a_long_session_loses_its_oldest_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MAX_SESSION", 20)
    made = filled(*(turn(f"f{n}", 1000 + n, blocks=blocks_of(f"s:x u:{n}")) for n in range(21)))
    (session,) = made.sessions()
    assert [session.entries[0].turn.flow, len(session.entries), len(made)] == ["f1", 20, 20]
    assert len(made.known("s1")[0]) == 21


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


def shown(session: tree.Session | None) -> list[object]:
    """What an observer sees of a session, where it was built in one go or turn by turn."""
    if session is None:
        return []
    return [
        (e.turn.flow, e.before and e.before.flow, e.diff.unchanged, e.diff.new, e.miss)
        for e in (*session.entries, *session.copies)
    ]


def at_once(every: list[turns.Turn]) -> list[object]:
    """Copies alone are no session."""
    return shown(None if all(each.compares for each in every) else examples.session(every))


@given(st.data())
def test_turn_by_turn_comes_to_the_same_as_all_at_once(data: st.DataObject) -> None:
    """Late turns, several clients, replays, copies that compare models, and turns that are dropped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "MAX_SESSION", 6)
        made = book.Book()
        left: dict[str, turns.Turn] = {}
        for number in range(data.draw(st.integers(1, 14))):
            flow = data.draw(st.sampled_from([f"f{number}", f"f{number}", "f0"]))
            names = data.draw(st.lists(st.sampled_from("abcd"), max_size=4))
            left[flow] = turn(
                flow,
                data.draw(st.integers(1000, 1020)) + number / 100,
                client=data.draw(st.sampled_from(["ann", "bob", ""])),
                agent=data.draw(st.sampled_from(["", "x"])),
                compares=data.draw(st.sampled_from(["", "", "f0", "f1"])),
                used=usage.Usage(10_000, 1, cache_write=data.draw(st.sampled_from([0, 9000]))),
                blocks=blocks_of(" ".join(f"u:{name}" for name in names)),
            )
            made.add(left[flow])
            for client in data.draw(st.sampled_from([(), (None,), ("ann", "bob")])):
                made.session("s1", client)
            while len(left) > 6:
                number_of = collections.Counter(each.client for each in left.values())
                most = max(number_of, key=lambda name: (number_of[name], name))
                of_most = (each for each in left.values() if each.client == most)
                del left[min(of_most, key=lambda each: each.at).flow]
        assert shown(made.session("s1")) == at_once(list(left.values()))
        for client in {each.client for each in left.values()}:
            mine = [each for each in left.values() if each.client == client]
            assert shown(made.session("s1", client)) == at_once(mine)
        assert made.known("s1")[0].keys() == {b.digest for t in left.values() for b in t.blocks}


def test_copies_alone_are_no_session() -> None:
    made = filled(turn("c1", compares="f1", client="ann"), turn("f2", session="s2"))
    assert [session.id for session in made.sessions()] == ["s2"]
    assert made.session("s1", "ann") is None
    made.add(turn("f1", client="ann"))
    assert made.entry("c1", "ann") is not None


@pytest.mark.parametrize("way", ["in order", "late", "two clients"])
def test_no_turn_holds_others_up(way: str) -> None:
    """Whatever one client sends, and whoever looks: neither adding nor looking goes through the whole
    session again."""
    sides = [tuple(examples.block(f"{side}{n}") for n in range(20_000)) for side in "ab"]
    made = book.Book()
    slowest = 0.0
    for number in range(200):
        client = "eve" if way == "two clients" and number % 3 == 0 else "ann"
        at = 1000 + number - (2.5 if way == "late" and number % 3 == 0 else 0)
        one = turn(f"f{number}", at, client=client, blocks=sides[number % 2])
        slowest = max(slowest, growth.took(functools.partial(made.add, one)))
        if number % 20 == 0:
            viewer = "ann" if way == "two clients" else None
            slowest = max(slowest, growth.took(functools.partial(made.session, "s1", viewer)))
    assert slowest < 0.3


def test_beginnings_of_a_session_are_part_of_its_weight_and_go_with_its_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "MAX_SESSION", 3)
    made = filled(turn("f0", 1000))
    past = made.past("s1")
    section = prefixes.Section(tuple(examples.block("x") for _ in range(10_000)), 0, "")
    past.keep_section(b"[]", section)
    before = made._weight
    made.add(turn("f1", 1001))
    assert made._weight - before > section.weight > 80_000
    assert made.past("s1") is past
    for n in range(2, 5):
        made.add(turn(f"f{n}", 1000 + n))
    assert made.past("s1").section(b"[]") is None
    assert made._weight < section.weight
    assert made.past("s2").weight == 0


def test_a_client_that_fills_the_book_pushes_out_its_own_sessions() -> None:
    made = filled(turn("a1", 1000, session="ann's", client="ann"), max_turns=10)
    made.add(turn("a2", 1001, session="both", client="ann"))
    for number in range(50):
        made.add(turn(f"b{number}", 1002 + number, session=f"b{number // 4}", client="bob"))
        made.add(turn(f"c{number}", 1002 + number, session="both", client="bob"))
    assert [session.id for session in made.sessions("ann")] == ["both", "ann's"]
    assert len(made) <= 10
    assert made.has("c49")


def test_a_client_that_begins_many_sessions_pushes_out_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "MAX_SESSIONS", 5)
    made = filled(turn("a1", 1000, session="ann's", client="ann"))
    for number in range(20):
        made.began(f"b{number}", f"b{number}", 1001.0, "bob")
    assert made.session("ann's", "ann") is not None
    assert len(made._records) <= 5


def test_a_stranger_in_a_session_pushes_out_its_own_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book, "MAX_SESSION", 10)
    made = filled(*(turn(f"a{n}", 1000 + n, client="ann") for n in range(4)))
    for number in range(30):
        made.add(turn(f"b{number}", 2000 + number, client="bob"))
    mine = made.session("s1", "ann")
    assert mine is not None
    assert [each.flow for each in mine.turns] == ["a0", "a1", "a2", "a3"]


def test_a_full_book_makes_room_for_more_than_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    out = shares.out

    def looked(*asked: Any) -> list[shares.Drop]:
        looks.append(asked)
        return out(*asked)

    monkeypatch.setattr(shares, "out", looked)
    filled(*(turn(f"f{n}", 1000 + n, session=f"s{n}") for n in range(500)), max_turns=200)
    assert len(looks) == 300 // (200 // book.SPARE + 1) + 1
