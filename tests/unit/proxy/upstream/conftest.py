from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from claude_route.proxy.upstream import client
from tests import clocks


@pytest.fixture
def time() -> clocks.Timers:
    return clocks.Timers()


@pytest.fixture
async def upstream(time: clocks.Timers) -> AsyncIterator[client.Client]:
    """A client for which time stands still. It leaves nothing behind."""
    made = client.Client(clock=time)
    yield made
    await made.close()
    assert (made.open, made.idle) == (0, 0)
    assert time.active == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
