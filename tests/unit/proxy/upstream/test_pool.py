from __future__ import annotations

import asyncio

import pytest

from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import pool
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import tls
from tests import clocks

PLACE = dial.Destination("https", "api.example", 443, credential="alice")


class Transport(asyncio.Transport):
    def abort(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class Connection(http1.Connection):
    """One that is open, and fit for more unless it says otherwise."""

    def __init__(self, keep_alive: float | None = None) -> None:
        super().__init__(memoryview(bytearray(1)))
        self.connection_made(Transport())
        self.keep_alive = keep_alive
        self.requests = 1
        self._keeps = True


@pytest.fixture
def kept(time: clocks.Timers) -> pool.Pool:
    return pool.Pool(time, pool.Bounds(idle=50, per_destination=3, total=5))


def taken(kept: pool.Pool, destination: dial.Destination = PLACE) -> http1.Connection | None:
    idle = kept.take(destination)
    return idle.connection if idle else None


def test_the_last_one_given_is_the_first_taken(kept: pool.Pool, time: clocks.Timers) -> None:
    first, last = Connection(), Connection()
    kept.give(PLACE, first)
    time.advance(10)
    kept.give(PLACE, last)
    time.advance(5)
    idle = kept.take(PLACE)
    assert idle
    assert (idle.connection, time.now - idle.since) == (last, 5)
    assert taken(kept) is first
    assert taken(kept) is None
    assert time.active == []


@pytest.mark.parametrize(
    "other",
    [
        PLACE._replace(scheme="http"),
        PLACE._replace(host="api.example.com"),
        PLACE._replace(port=8443),
        PLACE._replace(proxy=proxies.Proxy("http", "corp", 3128)),
        PLACE._replace(proxy=proxies.Proxy("http", "corp", 3128, "me", "secret")),
        PLACE._replace(tls=tls.Settings(insecure=True)),
        PLACE._replace(tls=tls.Settings(client_cert="me.pem")),
        PLACE._replace(credential="bob"),
        PLACE._replace(credential=""),
    ],
)
def test_a_connection_is_for_its_own_destination(kept: pool.Pool, other: dial.Destination) -> None:
    mine = Connection()
    kept.give(PLACE, mine)
    assert taken(kept, other) is None
    assert taken(kept) is mine


def test_a_connection_without_a_credential_is_for_anybody(kept: pool.Pool) -> None:
    bare, mine = Connection(), Connection()
    kept.give(PLACE._replace(credential=""), bare)
    kept.give(PLACE, mine)
    assert taken(kept) is mine
    assert taken(kept, PLACE._replace(credential="bob", port=1)) is None
    assert taken(kept, PLACE._replace(credential="bob")) is bare


@pytest.mark.parametrize(("keep_alive", "seconds"), [(None, 50), (5, 4), (100, 50), (1, 0), (0, 0)])
def test_idle_connections_expire(
    kept: pool.Pool, time: clocks.Timers, keep_alive: float | None, seconds: float
) -> None:
    idle = Connection(keep_alive)
    kept.give(PLACE, idle)
    if seconds:
        time.advance(seconds - 0.1)
        assert (idle.is_open, len(kept)) == (True, 1)
        time.advance(0.1)
    assert (idle.is_open, len(kept)) == (False, 0)
    assert time.active == []


def test_more_than_are_kept_for_a_destination_push_the_oldest_out(kept: pool.Pool) -> None:
    given = [Connection() for _ in range(5)]
    for each in given:
        kept.give(PLACE, each)
    assert [each.is_open for each in given] == [False, False, True, True, True]
    assert kept.count(PLACE) == 3


def test_more_than_are_kept_in_all_push_the_oldest_out(kept: pool.Pool) -> None:
    given = [Connection() for _ in range(7)]
    for number, each in enumerate(given):
        kept.give(PLACE._replace(port=number), each)
    assert [each.is_open for each in given] == [False, False, True, True, True, True, True]
    assert len(kept) == 5


def test_what_can_carry_no_other_request_is_not_kept(kept: pool.Pool) -> None:
    worn = Connection()
    worn._keeps = False
    kept.give(PLACE, worn)
    assert (worn.is_open, len(kept)) == (False, 0)


def test_what_never_carried_one_is_kept(kept: pool.Pool) -> None:
    new = Connection()
    new._keeps, new.requests = False, 0
    kept.give(PLACE, new)
    assert taken(kept) is new


def test_what_has_closed_meanwhile_is_not_taken(kept: pool.Pool, time: clocks.Timers) -> None:
    given = [Connection() for _ in range(3)]
    for each in given:
        kept.give(PLACE, each)
    given[2].is_open = False
    kept.forget(given[1])
    assert taken(kept) is given[0]
    assert len(kept) == 0
    kept.forget(given[1])  # again
    assert time.active == []


def test_dropping_closes_what_goes_there(kept: pool.Pool) -> None:
    here, there = Connection(), Connection()
    kept.give(PLACE, here)
    kept.give(PLACE._replace(port=1), there)
    kept.drop(PLACE)
    assert (here.is_open, there.is_open, len(kept)) == (False, True, 1)


def test_closing_closes_all(kept: pool.Pool, time: clocks.Timers) -> None:
    given = [Connection() for _ in range(3)]
    for number, each in enumerate(given):
        kept.give(PLACE._replace(port=number), each)
    kept.close()
    assert not any(each.is_open for each in given)
    assert time.active == []
