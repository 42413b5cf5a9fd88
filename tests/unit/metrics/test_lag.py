from __future__ import annotations

import asyncio
import time

import pytest

from claude_route.metrics import lag


async def test_a_loop_that_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "EVERY", 0.01)
    observed: list[float] = []
    came = asyncio.Event()

    def observe(seconds: float) -> None:
        observed.append(seconds)
        came.set()

    addon = lag.Lag(observe)
    addon.running()
    time.sleep(0.1)  # noqa: ASYNC251 - it is what holds the loop up
    await came.wait()
    addon.done()
    assert observed[0] >= 0.08


def test_done_without_running() -> None:
    lag.Lag(lambda seconds: None).done()
