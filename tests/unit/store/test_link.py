from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import logging
import time
from collections.abc import AsyncIterator
from types import ModuleType

import pytest

from claude_route.store import link
from claude_route.text import urls
from tests import redis_server
from tests.unit.store import instances


@contextlib.asynccontextmanager
async def connected(url: str, *, waits: bool = True) -> AsyncIterator[link.Link]:
    async def greet(connection: link.Link) -> None:
        await connection.now(["PING"])

    made = link.Link(url, greet, lambda: None)
    made.start()
    if waits:
        await instances.until(lambda: made.is_up)
    yield made
    await made.stop(1.0)


async def test_answers_come_in_order(redis: redis_server.Redis) -> None:
    async with connected(redis.url) as made:
        answers = [made.ask("INCR", "n") for _ in range(100)]
        assert [await each for each in answers] == list(range(1, 101))
        with pytest.raises(ValueError, match="unknown command"):
            await made.reply("NOTHING")
        assert await made.reply("GET", "n") == b"100"


async def test_what_is_delivered_waits(own_redis: redis_server.Redis) -> None:
    own_redis.stop()
    async with connected(own_redis.url, waits=False) as made:
        made.deliver("INCR", "n")
        with pytest.raises(ConnectionError):
            await made.reply("GET", "n")
        own_redis.start()
        await instances.until(lambda: made.is_up)
        assert await made.reply("GET", "n") == b"1"
        own_redis.stop()
        with pytest.raises(ConnectionError):
            await made.ask("GET", "n")
        own_redis.start()
        made.deliver("INCR", "n")
        await instances.until(lambda: made.is_up and not made.waiting)


async def test_the_end_waits_for_what_is_to_be_delivered(redis: redis_server.Redis) -> None:
    async with connected(redis.url) as made:
        for _ in range(50):
            made.deliver("INCR", "n")
    assert redis.ask("GET n") == b"$2\r\n50\r\n"


@pytest.mark.usefixtures("impatient")
async def test_nobody_waits_for_long(own_redis: redis_server.Redis) -> None:
    async with connected(own_redis.url) as made:
        own_redis.pause()
        answers = await asyncio.gather(
            *(made.reply("PING") for _ in range(100)), return_exceptions=True
        )
        assert {repr(each) for each in answers} == {"ConnectionError('Redis is slow')"}
        own_redis.resume()
        await instances.until(lambda: not made.is_slow)
        assert await made.reply("PING") == b"PONG"


@pytest.mark.usefixtures("impatient")
async def test_a_late_event_loop_is_no_slow_redis(redis: redis_server.Redis) -> None:
    async with connected(redis.url) as made:
        answer = asyncio.ensure_future(made.reply("PING"))
        for _ in range(5):
            await asyncio.sleep(0)
            time.sleep(0.1)  # noqa: ASYNC251 - that is the point
        assert await answer == b"PONG"
        assert not made.is_slow


@pytest.mark.parametrize("code", ["maxmemory 1", "min-replicas-to-write 3"])
async def test_a_server_that_refuses_to_write(
    own_redis: redis_server.Redis, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(own_redis.url) as made:
        own_redis.ask(f"CONFIG SET {code}")
        made.deliver("SET", "a", "b")
        if code.startswith("maxmemory"):
            await instances.until(lambda: "is gone" in caplog.text)
            own_redis.ask("CONFIG SET maxmemory 0")
            await instances.until(lambda: made.is_up and not made.waiting)
            assert await made.reply("GET", "a") == b"b"


async def test_a_library_that_cannot_be_loaded_yet(
    redis: redis_server.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [ImportError("Too many open files"), OSError(errno.EMFILE, "Too many open files")]
    load = importlib.import_module

    def import_module(name: str) -> ModuleType:
        if failures:
            raise failures.pop()
        return load(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    async with connected(redis.url) as made:
        assert await made.reply("PING") == b"PONG"
    assert caplog.text.count("Too many open files; this instance goes on") == 1


async def test_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MOST", 10)
    async with connected("unix:///nowhere/socket", waits=False) as made:
        for n in range(15):
            made.deliver("SET", "n", n)
        assert made.waiting == 10


async def test_a_password_is_in_no_log(
    redis: redis_server.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"unix://:a-secret-word@{redis.path}"
    assert "a-secret-word" not in urls.shown(url)
    assert urls.shown("redis://me:a-secret-word@host:1/2") == "redis://host:1/2"
    async with connected(url, waits=False):
        await instances.until(lambda: "is gone" in caplog.text)
    assert "a-secret-word" not in caplog.text
