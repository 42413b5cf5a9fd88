from __future__ import annotations

import asyncio
import contextlib

import pytest

from claude_route import background


async def test_an_unexpected_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise KeyError("lost")

    task = background.start(fail(), "the search")
    await asyncio.wait([task])
    await asyncio.sleep(0)  # for the task's callbacks
    assert "Internal error in the search" in caplog.text
    assert "KeyError: 'lost'" in caplog.text


async def test_others_are_not(caplog: pytest.LogCaptureFixture) -> None:
    async def answer() -> int:
        return 3

    assert await background.start(answer(), "the search") == 3
    task = background.start(asyncio.sleep(60), "a sleep")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert not caplog.text


async def test_a_look_that_fails_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    looks = asyncio.Semaphore(0)

    def look() -> None:
        looks.release()
        raise ValueError("unexpected")

    task = background.every(0, look, "the look at files")
    for _ in range(3):
        await looks.acquire()
    task.cancel()
    assert caplog.text.count("Internal error in the look at files") >= 2
