from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from claude_route.dialects import error_body
from claude_route.routing import quota
from claude_route.store import names
from claude_route.store import tokens
from tests import redis_server
from tests.unit.store import instances

OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
U = "anthropic-ratelimit-unified-"
REVOKED = error_body.Fault("authentication_error", "OAuth token has been revoked")


IN_A_SECOND = 1 / tokens.POLL


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many answers each instance has taken, of which there is one every POLL seconds."""
    counts: Counter[str] = Counter()
    take = tokens.Tokens._take

    def counted(self: tokens.Tokens, *answer: Any, **options: Any) -> None:
        counts[self.instance] += 1
        take(self, *answer, **options)

    monkeypatch.setattr(tokens.Tokens, "_take", counted)
    return counts


def limited(seconds: float = 3600) -> dict[str, str]:
    return {"retry-after": str(seconds)}


def states(one: instances.One) -> list[str]:
    return [row.state for row in one.state.pool.status()]


async def test_a_rest_is_respected_by_others_within_a_second(
    redis: redis_server.Redis, polls: Counter[str]
) -> None:
    async with instances.running(redis.url, 3) as every:
        first, *others = every
        pool = first.state.pool
        pool.learn(pool.tokens[1], 429, limited())
        await instances.until(lambda: first.link.waiting == 0)
        polls.clear()
        await instances.until(lambda: all(states(each)[1] == "resting" for each in others))
        assert all(polls[each.tokens.instance] <= IN_A_SECOND for each in others)
        row = others[0].state.pool.status()[1]
        assert 3590 < row.left <= 3600
        assert row.reason == "429, retry-after"
        assert states(others[0]) == ["available", "resting", "available"]


async def test_for_one_family(redis: redis_server.Redis) -> None:
    headers = {f"{U}7d_oi-status": "rejected", f"{U}7d_oi-reset": f"{time.time() + 3600:.0f}"}
    async with instances.running(redis.url) as (one, other):
        one.state.pool.learn(one.state.pool.tokens[0], 429, headers, model=OPUS)
        pool = other.state.pool
        await instances.until(lambda: len(pool.available(OPUS)) == 2)
        assert len(pool.available(SONNET)) == 3


async def test_the_longer_rest_holds(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        one.state.pool.rest(1, 1000)
        await instances.until(lambda: states(other)[0] == "resting")
        # It doesn't know of it yet.
        other.state.pool.wake(1)
        other.state.pool.rest(1, 50)
        one.state.pool.rest(1, 2000)
        await instances.until(
            lambda: all(one.state.pool.status()[0].left > 1900 for one in (one, other))
        )


async def test_an_answer_ends_it_for_all(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        pool = one.state.pool
        pool.learn(pool.tokens[0], 429, limited())
        pool.rest(2, 3600)
        await instances.until(lambda: states(other)[:2] == ["resting"] * 2)
        for token in other.state.pool.tokens:
            other.state.pool.answered(token, model=OPUS, asked=time.time())
        await instances.until(lambda: states(one)[0] == "available")
        assert states(one)[1] == "resting", "by hand"


async def test_an_answer_to_an_earlier_request_ends_nothing(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        asked = time.time() - 5
        other.state.pool.rest(1, 3600)
        one.state.pool.learn(one.state.pool.tokens[1], 429, limited(60))
        await instances.until(lambda: states(other)[1] == "resting")
        # As of a request that was sent before the rest began, here and there.
        other.tokens.answered(instances.SECRETS[1], (None, "opus"), asked)
        one.state.pool.learn(one.state.pool.tokens[2], 429, limited(60))
        await instances.until(lambda: states(other)[2] == "resting")
        assert states(one)[1] == states(other)[1] == "resting"


async def test_disabled_and_enabled_by_a_reload(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        one.state.pool.learn(one.state.pool.tokens[0], 401, {}, REVOKED)
        await instances.until(lambda: states(other)[0] == "disabled")
        assert "revoked" in other.state.pool.status()[0].reason
        other.reload(instances.SECRETS)
        await instances.until(lambda: states(one)[0] == "available")
        assert states(other)[0] == "available"


async def test_woken_by_hand(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        one.state.pool.rest(1, 3600)
        one.state.pool.learn(one.state.pool.tokens[1], 401, {}, REVOKED)
        await instances.until(lambda: states(other)[:2] == ["resting", "disabled"])
        other.state.pool.wake(1)
        other.state.pool.wake(2)
        await instances.until(lambda: states(one)[:2] == ["available"] * 2)


async def test_utilisation(redis: redis_server.Redis, polls: Counter[str]) -> None:
    headers = {f"{U}5h-utilization": "0.42", f"{U}5h-reset": f"{time.time() + 3600:.0f}"}
    async with instances.running(redis.url) as (one, other):
        polls.clear()
        one.state.pool.learn(one.state.pool.tokens[0], 200, headers)
        await instances.until(lambda: other.state.pool.status()[0].five_hour == 0.42)
        assert polls[other.tokens.instance] <= IN_A_SECOND
        assert other.state.pool.status()[0].seven_day is None


async def test_one_that_starts_knows_at_once(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url, 1) as (one,):
        one.state.pool.rest(2, 3600)
        await instances.until(lambda: one.link.waiting == 0)
        async with instances.running(redis.url, 1) as (late,):
            assert states(late)[1] == "resting"


async def test_tokens_are_told_apart_by_what_they_are(redis: redis_server.Redis) -> None:
    """Not by their place: another instance may have other tokens, or a list in another order."""
    async with (
        instances.running(redis.url, 1) as (one,),
        instances.running(redis.url, 1, secrets=instances.SECRETS[::-1][:2]) as (other,),
    ):
        one.state.pool.rest(3, 3600)
        await instances.until(lambda: states(other) == ["resting", "available"])
        one.state.pool.rest(1, 3600)
        other.reload(instances.SECRETS)
        await instances.until(lambda: states(other) == ["resting", "available", "resting"])


async def test_redis_has_no_secret(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url, 1) as (one,):
        one.state.pool.rest(1, 3600)
        one.state.pool.pick("a-session-of-someone")
        await instances.until(lambda: one.link.waiting == 0)
        keys = redis.ask("KEYS *").decode()
        assert names.digest(instances.SECRETS[0]) in keys
        dump = (
            keys + redis.ask("HGETALL " + names.token(names.digest(instances.SECRETS[0]))).decode()
        )
        for secret in (*instances.SECRETS, "a-session-of-someone"):
            assert secret not in dump
            assert secret[-8:] not in dump


@pytest.mark.parametrize("has_lost_all", [True, False])
async def test_redis_gone_and_back(has_lost_all: bool, caplog: pytest.LogCaptureFixture) -> None:
    server = redis_server.Redis(is_lasting=not has_lost_all)
    try:
        async with instances.running(server.url) as (one, other):
            one.state.pool.rest(1, 3600)
            await instances.until(lambda: states(other)[0] == "resting")
            server.stop()
            await instances.until(lambda: not one.link.is_up and not other.link.is_up)
            one.state.pool.rest(2, 3600)
            other.state.pool.wake(1)
            assert states(one) == ["resting", "resting", "available"]
            server.start()
            await instances.until(lambda: one.link.is_up and other.link.is_up)
            await instances.until(lambda: states(other)[1] == "resting")
            await instances.until(lambda: states(one)[1] == "resting")
            if not has_lost_all:
                await instances.until(lambda: states(one)[0] == "available")
            lines = [record.getMessage() for record in caplog.records]
            assert sum("is gone" in line for line in lines) == 2
            assert len([line for line in lines if "goes on with what it knows" in line]) == 2
    finally:
        server.close()


async def test_emptied_while_it_runs(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        one.state.pool.rest(1, 3600)
        await instances.until(lambda: states(other)[0] == "resting")
        redis.ask("FLUSHALL")
        other.state.pool.rest(2, 3600)
        await instances.until(lambda: states(one)[:2] == ["resting"] * 2)
        await instances.until(lambda: states(other)[:2] == ["resting"] * 2)
        async with instances.running(redis.url, 1) as (late,):
            await instances.until(lambda: states(late)[:2] == ["resting"] * 2)


async def test_rests_that_are_over_come_from_nobody(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        one.state.pool.learn(one.state.pool.tokens[0], 429, limited(0.3))
        rest = quota.Rest(time.time() + 3600, None, "429")
        one.state.pool.learn(one.state.pool.tokens[1], 429, limited())
        await instances.until(lambda: states(other)[1] == "resting")
        await instances.until(lambda: states(one)[0] == states(other)[0] == "available")
        assert rest.until > time.time()
