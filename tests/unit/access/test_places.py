from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from claude_route.access import limits
from claude_route.access import places

HERE, NEAR, FAR = "127.0.0.1", "10.0.0.1", "192.0.2.1"


class Room:
    """A table, and the names of the connections that it closed."""

    def __init__(self, *, files: int = 10**6, **bounds: Any) -> None:
        self.table = places.Table(limits.Limits(**bounds), files=files)
        self.closed: list[str] = []
        self.now = 0.0

    def enter(self, name: str, address: str = FAR, file: int = 0) -> places.Place | places.Reason:
        self.now += 1
        return self.table.enter(address, file, lambda: self.closed.append(name), self.now)

    def place(self, name: str, address: str = FAR, *phases: places.Phase) -> places.Place:
        place = self.enter(name, address)
        assert isinstance(place, places.Place)
        for phase in phases:
            self.now += 1
            place.turn(phase, self.now)
        return place


def test_the_oldest_that_never_had_a_request_makes_room() -> None:
    room = Room(connections=3)
    room.place("regular", FAR, "head", "busy", "idle")
    room.place("older", FAR, "head")
    room.place("newer")
    assert isinstance(room.enter("new"), places.Place)
    assert room.closed == ["older"]


def test_then_the_one_that_is_idle_for_longest() -> None:
    room = Room(connections=2)
    first = room.place("first", FAR, "busy", "idle")
    room.place("second", FAR, "busy", "idle")
    first.turn("busy", 98)
    first.turn("idle", 99)
    room.place("third", FAR, "busy")
    assert room.closed == ["second"]


def test_a_client_is_refused_where_all_are_in_use() -> None:
    room = Room(connections=2)
    room.place("a", FAR, "busy")
    room.place("b", NEAR, "busy")
    assert room.enter("c") == "connections"
    assert room.table.count == 2
    assert room.closed == []


def test_those_that_are_being_closed_count_no_more() -> None:
    room = Room(connections=2)
    first, _ = room.place("a"), room.place("b")
    room.place("c")
    assert room.closed == ["a"]
    first.turn("head", 99)  # what it sent before it heard of its end
    room.table.leave(first)
    room.place("d")
    assert room.closed == ["a", "b"]


def test_the_address_with_the_most_idle_connections_makes_room() -> None:
    room = Room(connections=4)
    room.place("oldest", NEAR)
    for name in "abc":
        room.place(name, FAR)
    room.place("new", NEAR)
    assert room.closed == ["a"]


def test_an_address_has_a_limit_of_its_own() -> None:
    room = Room(connections_per_address=2)
    room.place("other", NEAR)
    room.place("a", FAR, "busy")
    room.place("b", FAR)
    assert isinstance(room.enter("c", FAR), places.Place)
    assert room.closed == ["b"]
    room = Room(connections_per_address=1)
    room.place("a", FAR, "busy")
    assert room.enter("b", FAR) == "connections_per_address"
    assert isinstance(room.enter("b", NEAR), places.Place)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_what_one_address_is(one: str, other: str, is_same: bool) -> None:
    room = Room(connections_per_address=1)
    room.place("a", one, "busy")
    assert (room.enter("b", other) == "connections_per_address") is is_same


@pytest.mark.parametrize("address", [HERE, "127.9.9.9", "::1", "10.1.2.3", "fd00::1"])
def test_addresses_without_a_limit_of_their_own(address: str) -> None:
    shared = tuple(ipaddress.ip_network(each) for each in ("10.1.0.0/16", "fd00::/8"))
    room = Room(connections_per_address=1, shared_addresses=shared)
    for name in "abc":
        room.place(name, address, "busy")


def test_short_files_are_given_back() -> None:
    room = Room(files=100)
    for name in "abcd":
        room.place(name)
    assert isinstance(room.enter("e", file=99), places.Place)
    assert room.closed == []
    # Upstreams have taken two more than there were for clients.
    assert isinstance(room.enter("f", file=101), places.Place)
    assert room.closed == ["a", "b"]
    assert isinstance(room.enter("g", file=101), places.Place)
    assert room.closed == ["a", "b"]  # both are still open


def test_a_client_is_refused_where_files_are_short_and_all_are_in_use() -> None:
    room = Room(files=100)
    room.place("a", FAR, "busy")
    assert room.enter("b", file=100) == "open_files"
    assert not room.table.make_room()
    room.place("c")
    assert room.table.make_room()
    assert room.closed == ["c"]


def test_an_http2_connection_is_in_use_while_it_has_streams() -> None:
    room = Room(connections=1)
    place = room.place("a", FAR, "head")
    place.speaks_http2(5)
    place.receives(6)
    assert place.phase == "idle"
    streams = {1: "stream"}
    place.multiplexes(streams)
    assert room.enter("b") == "connections"
    streams.clear()
    assert isinstance(room.enter("b"), places.Place)
    assert room.closed == ["a"]


def test_those_whose_head_is_late() -> None:
    room = Room(head_time=30)
    head, idle, busy = (room.place(each, FAR, each) for each in ("head", "idle", "busy"))
    begun = head.since
    assert list(room.table.late(begun + 30)) == []
    assert list(room.table.late(begun + 31)) == [head]
    idle.receives(100)
    busy.receives(100)
    assert list(room.table.late(131)) == [head, idle]


def test_how_long_a_client_lets_us_wait() -> None:
    place = Room().place("a")
    place.waited, place.waits_since = 3.0, 10.0
    assert place.waiting(12.0) == 5.0
    place.waits_since = None
    assert place.waiting(20.0) == 3.0


def test_nothing_is_kept_of_those_who_left() -> None:
    room = Room()
    for place in [room.place(name, f"192.0.2.{name}", "head") for name in "123"]:
        room.table.leave(place)
    assert room.table.count == 0
    assert room.table._groups == {}


@pytest.mark.parametrize("phase", ["idle", "head", "leaving"])
def test_what_ends_later_takes_no_place(phase: places.Phase) -> None:
    """What was under way on a connection may end when that is closed: there is nothing left to close then."""
    room = Room(connections=2)
    room.place("b", FAR, "busy")
    gone = room.place("gone", FAR, "busy")
    room.table.leave(gone)
    gone.turn(phase, room.now)
    assert room.table.closable() == []
    assert not list(room.table.late(1000.0))
    room.place("a", FAR, "busy", "idle")
    assert isinstance(room.enter("c"), places.Place)
    assert room.closed == ["a"]


def test_whether_anybody_waits_for_an_answer() -> None:
    room = Room(connections=2)
    assert room.table.is_unused
    place = room.place("a", FAR, "head")
    assert room.table.is_unused
    place.turn("busy", 5)
    assert not room.table.is_unused
    place.turn("idle", 6)
    room.place("b")
    room.place("c")
    assert room.closed == ["b"]
    assert room.table.is_unused


def test_whose_turns_a_connection_takes() -> None:
    room = Room()
    near, far, other = (room.place(each, each) for each in (NEAR, FAR, NEAR))
    assert near.share is other.share is room.table.share(NEAR)
    assert near.share is not far.share
    near.serves("alice", 1)
    far.serves("alice", 2)
    other.serves("bob", 3)
    assert near.share is far.share
    assert near.share is not other.share
    other.serves(None, 4)
    assert other.share is room.table.share(NEAR)
