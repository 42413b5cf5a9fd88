from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from claude_route.proxy import sharing
from claude_route.routing import rotation
from claude_route.store import seats
from tests import redis_server
from tests.unit.store import instances

OPUS = "claude-opus-5-5"


def question(
    one: instances.One, session: str = "", previous: str = "", client: str = "alice"
) -> sharing.Question:
    thread = one.state.threads.thread(
        "continue" if previous else None, previous, client, time.time()
    )
    return sharing.Question(one.state.pool, session, OPUS, one.state.threads, thread)


async def pick(one: instances.One, session: str) -> int:
    """The place of the token that a request of this session gets."""
    asked = question(one, session)
    if one.state.sharing.is_due(asked):
        await one.state.sharing.ask(asked)
    token = one.state.pool.pick(session, model=OPUS)
    assert token
    return token.place


async def test_a_session_has_one_token_everywhere(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url, 3) as every:
        sessions = [f"session-{n}" for n in range(30)]
        # All at once, at all instances.
        places = await asyncio.gather(*(pick(one, each) for each in sessions for one in every))
        by_session = [set(places[n : n + 3]) for n in range(0, len(places), 3)]
        assert all(len(each) == 1 for each in by_session)
        # In turn, as one instance would have it.
        assert set(Counter(each.pop() for each in by_session).values()) == {10}


async def test_a_session_is_asked_for_once_in_a_while(redis: redis_server.Redis) -> None:
    clock = instances.Moving()
    async with instances.running(redis.url, clock=clock) as (one, other):
        place = await pick(one, "a")
        assert not one.state.sharing.is_due(question(one, "a"))
        assert other.state.sharing.is_due(question(other, "a"))
        clock.advance(seats.FRESH + 1)
        assert one.state.sharing.is_due(question(one, "a"))
        assert await pick(one, "a") == await pick(other, "a") == place


async def test_a_session_moves_with_its_token(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        place = await pick(one, "a")
        assert await pick(other, "a") == place
        one.state.pool.rest(place, 3600)
        # In the middle of a plan nobody is asked.
        moved = one.state.pool.pick("a", model=OPUS)
        assert moved and moved.place != place
        await instances.until(lambda: other.state.pool.status()[place - 1].state == "resting")
        assert await pick(other, "a") == moved.place


async def test_sessions_of_two_that_move_at_once_meet_again(redis: redis_server.Redis) -> None:
    clock = instances.Moving()
    async with instances.running(redis.url, clock=clock) as (one, other):
        places = {await pick(one, "a"), await pick(other, "a")}
        assert len(places) == 1
        # The other one's turn is elsewhere.
        other.state.pool.pick("b", model=OPUS)
        for each in (one, other):
            each.state.pool.rest(places.copy().pop(), 3600)
            each.state.pool.pick("a", model=OPUS)
        await instances.until(lambda: one.link.waiting == other.link.waiting == 0)
        clock.advance(seats.FRESH + 1)
        assert await pick(one, "a") == await pick(other, "a")


async def test_what_needs_no_seat(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url, 1) as (one,):
        assert not one.state.sharing.is_due(question(one))
        one.state.pool.strategy = "round-robin"
        assert not one.state.sharing.is_due(question(one, "a"))
        one.state.pool.strategy = "session"
        for place in (1, 2, 3):
            one.state.pool.rest(place, 3600)
        assert not one.state.sharing.is_due(question(one, "a"))


async def test_threads(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        token = one.state.pool.tokens[1]
        one.state.threads.keep("alice", "msg_1", token, time.time())
        await instances.until(lambda: one.link.waiting == 0)
        asked = question(other, "a", "msg_1")
        assert asked.thread.keeper is None
        await other.state.sharing.ask(asked)
        assert question(other, "a", "msg_1").thread.keeper == token
        for stranger in (question(other, "a", "msg_1", "bob"), question(other, "a", "msg_2")):
            await other.state.sharing.ask(stranger)
            again = question(other, "a", stranger.thread.previous, stranger.thread.client)
            assert again.thread.keeper is None


@pytest.mark.usefixtures("impatient")
async def test_redis_gone_or_silent(own_redis: redis_server.Redis) -> None:
    async with instances.running(own_redis.url) as (one, other):
        await pick(one, "a")
        own_redis.pause()
        assert await pick(one, "b")
        assert one.link.is_slow
        for n in range(20):
            assert instances.at_once(pick(one, f"c{n}"))
        own_redis.resume()
        await instances.until(lambda: not one.link.is_slow)
        own_redis.stop()
        await instances.until(lambda: not other.link.is_up)
        for n in range(20):
            assert instances.at_once(pick(other, f"d{n}"))


async def test_long_names_share_a_seat(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        name = "x" * rotation.MAX_SESSION_NAME
        assert await pick(one, f"{name}1") == await pick(other, f"{name}2")
