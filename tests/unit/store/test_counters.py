from __future__ import annotations

import asyncio
import functools
import random

import pytest

from claude_route.profile import limits
from claude_route.routing import budgets
from claude_route.routing import calendar
from claude_route.store import names
from claude_route.store import tokens
from tests import redis_server
from tests.unit.store import instances

DAILY = limits.Limits(caps=(limits.Cap("day", 10.0),))
COUNTED = limits.Limits(tokens_per_day=1000)
RATED = limits.Limits(requests_per_minute=5)
NOON = 1_800_014_400.0
"""Friday, 15 January 2027, 12:00 UTC."""


running = functools.partial(instances.running, clock=lambda: NOON)


async def reserve(
    one: instances.One,
    within: limits.Limits,
    dollars: float = 1.0,
    tokens: int = 100,
    *,
    now: float = NOON,
    must: bool = False,
    client: str = "alice",
) -> budgets.Decision:
    most = budgets.Amount(dollars, tokens)
    return await one.counters.reserve(client, within, most, now, must=must)


def settle(
    one: instances.One,
    reserved: tuple[float, int],
    used: tuple[float, int],
    now: float = NOON,
    client: str = "alice",
) -> None:
    one.counters.settle(client, budgets.Amount(*reserved), budgets.Amount(*used), now)


async def test_use_counts_for_all(redis: redis_server.Redis) -> None:
    async with running(redis.url) as (one, other):
        for _ in range(2):
            decision = await reserve(one, DAILY)
            assert decision.refusal is None
            settle(one, (1.0, 100), (6.0, 600))
        refused = await reserve(other, DAILY)
        assert refused.refusal == "use"
        assert refused.standing == budgets.Standing("day", 10, 12.0, calendar.end("day", NOON))
        assert (await reserve(other, DAILY, client="bob")).refusal is None
        assert (await reserve(other, DAILY, must=True)).refusal is None


@pytest.mark.parametrize(("within", "unit"), [(DAILY, "dollars"), (COUNTED, "tokens")])
async def test_what_others_reserve_is_taken(
    redis: redis_server.Redis, within: limits.Limits, unit: str
) -> None:
    async with running(redis.url) as (one, other):
        assert (await reserve(one, within, 10.0, 1000)).refusal is None
        busy = await reserve(other, within)
        assert busy.refusal == "busy"
        assert busy.standing and busy.standing.unit == unit
        settle(one, (10.0, 1000), (0.5, 50))
        assert (await reserve(other, within)).refusal is None


async def test_rates(redis: redis_server.Redis) -> None:
    async with running(redis.url) as (one, other):
        for n in range(5):
            each = one if n % 2 else other
            assert (await reserve(each, RATED, now=NOON + n)).refusal is None
        for each in (one, other):
            decision = await reserve(each, RATED, now=NOON + 10)
            assert (decision.refusal, decision.wait) == ("rate", 50.0)
        assert (await reserve(one, RATED, now=NOON + 60.5)).refusal is None
        assert (await reserve(other, RATED, now=NOON + 60.5)).refusal == "rate"


async def test_periods_begin_again(redis: redis_server.Redis) -> None:
    within = limits.Limits(caps=(limits.Cap("day", 10.0), limits.Cap("week", 100.0)))
    async with running(redis.url) as (one, other):
        await reserve(one, within)
        settle(one, (1.0, 100), (10.0, 1000))
        assert (await reserve(other, within)).refusal == "use"
        tomorrow = NOON + calendar.DAY
        decision = await reserve(other, within, now=tomorrow)
        assert decision.refusal is None
        assert decision.standing and decision.standing.period == "week"
        assert decision.standing.used == 10.0
        # Sunday, then Monday.
        settle(other, (1.0, 100), (95.0, 1), now=tomorrow)
        assert (await reserve(one, within, now=NOON + 2 * calendar.DAY)).refusal == "use"
        assert (await reserve(one, within, now=NOON + 3 * calendar.DAY)).refusal is None


async def test_what_a_dead_instance_reserved_is_free(redis: redis_server.Redis) -> None:
    async with running(redis.url, 1) as (other,):
        async with running(redis.url, 1) as (one,):
            assert (await reserve(one, DAILY, 10.0)).refusal is None
            assert (await reserve(other, DAILY)).refusal == "busy"
        key = f"{names.INSTANCE}{one.tokens.instance}"
        assert (await reserve(other, DAILY)).refusal == "busy"
        assert 0 < int(redis.ask(f"TTL {key}")[1:]) <= tokens.ALIVE
        redis.ask(f"DEL {key}")  # as time would
        assert (await reserve(other, DAILY)).refusal is None


async def test_a_budget_holds_under_many_at_once(redis: redis_server.Redis) -> None:
    """Of 200 requests at once, each of which costs a dollar of ten, as many go as there are dollars."""
    chance = random.Random(14)
    went = 0

    async def request(one: instances.One) -> None:
        nonlocal went
        await asyncio.sleep(chance.random() / 10)
        if (await reserve(one, DAILY)).refusal is None:
            went += 1
            await asyncio.sleep(chance.random() / 10)
            settle(one, (1.0, 100), (1.0, 100))

    async with running(redis.url) as every:
        await asyncio.gather(*(request(every[n % 2]) for n in range(200)))
        assert went == 10
        await instances.until(lambda: all(one.link.waiting == 0 for one in every))
        assert (await reserve(every[0], DAILY)).refusal == "use"
        fields = redis.ask(f"HGETALL {names.client('alice')}").decode()
        assert "hd:" not in fields


@pytest.mark.parametrize("has_lost_all", [True, False])
async def test_redis_gone_and_back(has_lost_all: bool) -> None:
    server = redis_server.Redis(is_lasting=not has_lost_all)
    week = limits.Limits(caps=(limits.Cap("week", 1000.0),))
    try:
        async with running(server.url) as (one, other):
            for each in (one, other):
                await reserve(each, week, 5.0)
            settle(one, (5.0, 100), (100.0, 10))
            await instances.until(lambda: one.link.waiting == 0)
            await reserve(other, week, 5.0)
            await reserve(one, week, 5.0)
            server.stop()
            await instances.until(lambda: not one.link.is_up and not other.link.is_up)
            # Each goes on with what it knows.
            for each in (one, other):
                decision = await reserve(each, week, 7.0)
                assert decision.refusal is None
                assert decision.standing and decision.standing.used == 100.0
                settle(each, (7.0, 100), (20.0, 10))
            server.start()
            await instances.until(lambda: one.link.is_up and other.link.is_up)
            await instances.until(lambda: one.link.waiting == other.link.waiting == 0)
            for each in (one, other):
                decision = await reserve(each, week, 1.0, 10)
                assert decision.standing and decision.standing.used == 140.0
            fields = server.ask(f"HGETALL {names.client('alice')}").decode().split("\r\n")
            held = {
                fields[n]: float(fields[n + 2])
                for n in range(len(fields))
                if fields[n].startswith("hd:")
            }
            # One request each from before, and one of now; the other one has two from before.
            assert sorted(held.values()) == [6.0, 11.0]
            for each, count in ((one, 1), (other, 2)):
                for _ in range(count):
                    settle(each, (5.0, 100), (1.0, 1))
                settle(each, (1.0, 10), (1.0, 1))
            await instances.until(lambda: one.link.waiting == other.link.waiting == 0)
            assert b"hd:" not in server.ask(f"HGETALL {names.client('alice')}")
            decision = await reserve(one, week)
            assert decision.standing and decision.standing.used == 145.0
    finally:
        server.close()


async def test_a_settlement_counts_once(redis: redis_server.Redis) -> None:
    async with running(redis.url, 1) as (one,):
        await reserve(one, DAILY)
        settle(one, (1.0, 100), (2.0, 200))
        # As if the connection had been lost before the answer came.
        one.counters.resume(NOON)
        one.counters.resume(NOON)
        await instances.until(lambda: one.link.waiting == 0)
        decision = await reserve(one, DAILY)
        assert decision.standing and decision.standing.used == 2.0


async def test_what_was_used_before_the_start(redis: redis_server.Redis) -> None:
    """Whoever starts first tells it, from the ledger. It isn't added again."""
    async with running(redis.url) as (one, other):
        one.counters.fill("alice", {"day": 4.0, "week": 5.0, "month": 6.0}, 500, NOON)
        await reserve(one, DAILY)
        settle(one, (1.0, 100), (3.0, 100))
        await instances.until(lambda: one.link.waiting == 0)
        other.counters.fill("alice", {"day": 4.0, "week": 5.0, "month": 6.0}, 500, NOON)
        for each in (one, other):
            decision = await reserve(each, DAILY, 0.1, 1)
            assert decision.standing and decision.standing.used == 7.0


@pytest.mark.usefixtures("impatient")
async def test_redis_silent(own_redis: redis_server.Redis) -> None:
    async with running(own_redis.url, 1) as (one,):
        await reserve(one, DAILY)
        own_redis.pause()
        assert (await reserve(one, DAILY)).refusal is None
        assert one.link.is_slow
        for _ in range(3):
            assert instances.at_once(reserve(one, DAILY)).refusal is None
        # Five dollars are reserved; by itself it keeps to the limit, too.
        for _ in range(5):
            assert (await reserve(one, DAILY)).refusal is None
        assert (await reserve(one, DAILY)).refusal == "busy"
        own_redis.resume()
        for _ in range(10):
            settle(one, (1.0, 100), (0.9, 90))
        await instances.until(lambda: not one.link.is_slow and one.link.waiting == 0)
        decision = await reserve(one, DAILY)
        assert decision.refusal is None
        assert decision.standing and abs(decision.standing.used - 9.0) < 1e-6


async def test_a_client_that_leaves_while_redis_is_asked(redis: redis_server.Redis) -> None:
    async with running(redis.url, 1) as (one,):
        await reserve(one, EVERY)
        for within in (DAILY, RATED):
            leaving = asyncio.ensure_future(reserve(one, within))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        settle(one, (1.0, 100), (2.0, 200))
        await instances.until(lambda: one.link.waiting == 0)
        assert b"hd:" not in redis.ask(f"HGETALL {names.client('alice')}")
        assert one.counters.overview("alice", EVERY, NOON).reserved == budgets.NOTHING
        decision = await reserve(one, DAILY)
        assert decision.standing and decision.standing.used == 2.0


async def test_without_limits_nobody_is_asked(redis: redis_server.Redis) -> None:
    async with running(redis.url) as (one, other):
        assert (await reserve(one, limits.NONE, 0.0, 0)).refusal is None
        settle(one, (0.0, 0), (11.0, 1000))
        await instances.until(lambda: one.link.waiting == 0)
        assert (await reserve(other, DAILY)).refusal == "use"


EVERY = limits.Limits(5, 1000, DAILY.caps)


async def view(one: instances.One, now: float = NOON, *clients: str) -> budgets.Overview:
    await one.counters.look(dict.fromkeys(clients or ["alice"], EVERY), now)
    return one.counters.overview("alice", EVERY, now)


async def test_a_look_at_all_instances(redis: redis_server.Redis) -> None:
    async with running(redis.url) as (one, other):
        assert await view(other) == one.counters.overview("alice", EVERY, NOON)
        assert redis.ask("KEYS *client*").strip() in (b"*0", b""), "a look leaves nothing"
        for _ in range(2):
            await reserve(one, EVERY, 3.0, 300)
        settle(one, (3.0, 300), (4.0, 400))
        await instances.until(lambda: one.link.waiting == 0)
        # More than are asked for at once.
        many = [f"client-{n}" for n in range(250)]
        for each in (one, other):
            overview = await view(each, NOON + 1, *many, "alice")
            assert [standing.used for standing in overview.standings] == [4.0, 400]
            assert overview.reserved == budgets.Amount(3.0, 300)
            assert overview.requests == 2
        # What is told grows old.
        later = other.counters.overview("alice", EVERY, NOON + 60)
        assert (later.standings[0].used, later.reserved, later.requests) == (4, budgets.NOTHING, 0)
        tomorrow = await view(other, NOON + calendar.DAY)
        assert [standing.used for standing in tomorrow.standings] == [0, 0]
        assert tomorrow.requests == 0


async def test_a_look_without_redis(own_redis: redis_server.Redis) -> None:
    async with running(own_redis.url, 1) as (one,):
        await reserve(one, EVERY, 3.0, 300)
        settle(one, (0.0, 0), (1.0, 10))
        own_redis.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await view(one)
        overview = one.counters.overview("alice", EVERY, NOON)
        assert overview.standings[0].used == 1.0
        assert overview.reserved == budgets.Amount(3.0, 300)
        own_redis.resume()
        await instances.until(lambda: one.link.waiting == 0)
        own_redis.stop()
        await instances.until(lambda: not one.link.is_up)
        assert (await view(one)).standings[0].used == 1.0
