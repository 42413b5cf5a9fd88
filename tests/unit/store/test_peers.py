from __future__ import annotations

import asyncio

import pytest

from claude_route.store import peers
from tests import redis_server
from tests.unit.store import instances


async def test_workers_of_one_supervisor(
    redis: redis_server.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "INTERVAL", 0.01)
    async with instances.running(redis.url, 3) as every:
        workers = [
            peers.Peers(peers.Worker("one", 1, 2), lambda: b"first"),
            peers.Peers(peers.Worker("one", 2, 2), lambda: b"second"),
            peers.Peers(peers.Worker("another", 1, 2), lambda: b"stranger"),
        ]
        tasks = [
            asyncio.create_task(worker.run(one.link))
            for worker, one in zip(workers, every, strict=True)
        ]
        first, second, stranger = workers
        await instances.until(lambda: first.texts == {2: b"second"})
        await instances.until(lambda: second.texts == {1: b"first"})
        assert stranger.texts == {}
        for task in tasks:
            task.cancel()
