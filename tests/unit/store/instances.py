"""Instances that share a store, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Iterable
from typing import Any

from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.store import instance
from tests.unit import states

SECRETS = [f"sk-ant-oat01-store-0000000{n}-tok{n}" for n in range(1, 4)]

TEXT = """
providers: {anthropic: {base_url: http://localhost:1, auth: pool}}
models: {"claude-*": "anthropic/claude-*"}
pool: {tokens: "%s"}
"""


class One(instance.Instance):
    """With the state that it shares."""

    def __init__(self, url: str, clock: Callable[[], float], secrets: Iterable[str]) -> None:
        profile = profiles.parse(TEXT % ",".join(secrets), {}, "profile.yaml")
        self.state: state.State = states.state_of(profile, clock)
        super().__init__(url, lambda: self.state, clock)

    def reload(self, secrets: Iterable[str]) -> None:
        pool = self.state.pool.reloaded(secrets, strategy="session", cooldown=60)
        self.state = dataclasses.replace(self.state, pool=pool)


@contextlib.asynccontextmanager
async def running(
    url: str,
    count: int = 2,
    clock: Callable[[], float] = time.time,
    secrets: Iterable[str] = SECRETS,
) -> AsyncIterator[list[One]]:
    every = [One(url, clock, secrets) for _ in range(count)]
    for one in every:
        one.start(one.state)
    await until(lambda: all(one.link.is_up for one in every))
    try:
        yield every
    finally:
        for one in every:
            await one.stop()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Poll, because instances don't report what they learn."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.005)


def at_once[T](work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns without waiting for anything."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise AssertionError("it waits")


class Moving:
    """The time, which a test can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds
