from __future__ import annotations

from collections.abc import Iterator

import pytest

from claude_route.store import link
from tests import redis_server


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis may answer late, and an instance would go on without it."""
    monkeypatch.setattr(link, "PATIENCE", 5.0)


@pytest.fixture
def impatient(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis may be late, but the connection isn't given up for that."""
    monkeypatch.setattr(link, "PATIENCE", 0.025)
    monkeypatch.setattr(link, "TIMEOUT", 60.0)


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
