from __future__ import annotations

import asyncio

import pytest

from claude_route.proxy.upstream import timers
from tests import clocks


async def wait(time: timers.Timers, seconds: float, done: asyncio.Event) -> str:
    async with timers.within(time, seconds):
        await done.wait()
    return "done"


async def test_in_time(time: clocks.Timers) -> None:
    done = asyncio.Event()
    task = asyncio.create_task(wait(time, 5, done))
    await asyncio.sleep(0)
    time.advance(4.9)
    done.set()
    assert await task == "done"
    assert time.active == []


async def test_too_late(time: clocks.Timers) -> None:
    task = asyncio.create_task(wait(time, 5, asyncio.Event()))
    await asyncio.sleep(0)
    time.advance(5)
    with pytest.raises(TimeoutError):
        await task
    assert time.active == []


async def test_cancelled_from_outside(time: clocks.Timers) -> None:
    task = asyncio.create_task(wait(time, 5, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.active == []


async def test_an_event_loop_has_timers() -> None:
    async with timers.within(asyncio.get_running_loop(), 5):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with timers.within(asyncio.get_running_loop(), 0):
            await asyncio.Event().wait()
