from __future__ import annotations

import asyncio
import logging

import pytest

from claude_route.access import entrances
from claude_route.access import limits
from claude_route.access import places
from claude_route.access import turns
from tests import clocks


@pytest.fixture
def entrance() -> entrances.Entrance:
    table = places.Table(limits.Limits(connections=1))
    return entrances.Entrance(table, limits.Meter(), clocks.Clock())


def test_who_makes_room_is_logged_once(
    entrance: entrances.Entrance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    closed: list[int] = []
    for number in range(5):
        entrance.enter("192.0.2.1", 5, lambda number=number: closed.append(number))  # type: ignore[misc]
    assert closed == [0, 1, 2, 3]
    (record,) = caplog.records
    assert "Closed an idle connection" in record.message


def test_a_refusal_is_logged_and_counted(
    entrance: entrances.Entrance, caplog: pytest.LogCaptureFixture
) -> None:
    place = entrance.enter("192.0.2.1", 5, lambda: None)
    assert isinstance(place, places.Place)
    place.turn("busy", 1)
    assert entrance.enter("192.0.2.1", 6, lambda: None) == "connections"
    assert entrance._meter.counts == {"connections": 1}
    assert "max_connections" in caplog.text


@pytest.mark.parametrize(("size", "rests"), [(1000, False), (turns.PIECE + 1, True)])
async def test_only_a_large_body_waits_while_its_client_rests(
    entrance: entrances.Entrance, size: int, rests: bool
) -> None:
    place = entrance.enter("192.0.2.1", 5, lambda: None)
    assert isinstance(place, places.Place)

    async def stock(n: int) -> bytes:
        return bytes(size)

    place.share.rests_until = entrance._clock() + 0.05
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert len(await entrance._reading(stock, place)(size)) == size
    assert not rests or loop.time() - began >= 0.049
    assert place.share.used > 1
