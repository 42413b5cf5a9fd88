from __future__ import annotations

import time

import pytest

from claude_route.store import instance
from tests import redis_server
from tests.unit.store import instances


async def test_what_requests_share_goes_out_and_comes_back(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        assert one.state.gate.counters is one.counters
        assert one.state.sharing.store is one.seats
        assert one.counters.book is one.state.gate.book
        one.state.pool.rest(1, 60)
        one.state.threads.keep("alice", "msg_1", one.state.pool.tokens[0], time.time())
        await instances.until(lambda: other.state.pool.status()[0].state == "resting")


async def test_alone_again(redis: redis_server.Redis) -> None:
    async with instances.running(redis.url) as (one, other):
        instance.alone(one.state)
        one.state.pool.rest(1, 60)
        one.state.threads.keep("alice", "msg_1", one.state.pool.tokens[0], time.time())
        other.state.pool.rest(2, 60)
        await instances.until(lambda: one.state.pool.status()[1].state == "resting")
        assert one.state.gate.counters is one.state.gate.book
        assert one.state.sharing.store is None
        assert other.state.pool.status()[0].state == "available"


@pytest.mark.parametrize(
    ("off", "says"), [(0, None), (7200, "2 h ahead of"), (-86400, "1 d behind")]
)
async def test_a_clock_that_is_wrong_is_told(
    redis: redis_server.Redis, caplog: pytest.LogCaptureFixture, off: int, says: str | None
) -> None:
    async with instances.running(redis.url, 1, lambda: time.time() + off):
        warnings = [line for line in caplog.messages if "The clock here is" in line]
    assert len(warnings) == (says is not None)
    assert says is None or says in warnings[0]
