from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import redis_server


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[redis_server.Redis]:
    if redis_server.PROGRAM is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    server = redis_server.Redis()
    yield server
    server.close()


@pytest.fixture
def redis(shared_redis: redis_server.Redis) -> redis_server.Redis:
    """An empty one."""
    shared_redis.ask("FLUSHALL")
    return shared_redis


@pytest.fixture
def own_redis(shared_redis: redis_server.Redis) -> Iterator[redis_server.Redis]:
    """One that a test may stop."""
    server = redis_server.Redis()
    yield server
    server.close()
