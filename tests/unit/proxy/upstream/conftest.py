from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from claude_route.proxy.upstream import client
from tests import clocks
from tests.unit.proxy.upstream import certificates


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


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.Authority(tmp_path_factory.mktemp("ca"))
