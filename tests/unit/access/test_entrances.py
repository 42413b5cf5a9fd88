from __future__ import annotations

import asyncio
import logging

import pytest

from claude_route.access import entrances
from claude_route.access import limits
from claude_route.access import places
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


async def test_what_takes_long_is_spread_over_turns_of_the_loop() -> None:
    turns = entrances.Turns()
    passed: list[tuple[int, int]] = []
    turn = 0

    async def read(number: int) -> None:
        if not turns.is_free(number * entrances.TURN / 3):
            await turns.wait()
        passed.append((turn, number))

    tasks = [asyncio.create_task(read(number)) for number in range(20)]
    await asyncio.sleep(0)
    assert [number for _, number in passed] == [0, 1, 2]
    tasks[-1].cancel()
    while not all(task.done() for task in tasks):
        turn += 1
        await asyncio.sleep(0)
    assert [number for _, number in passed] == list(range(19))
    later = [turn for turn, number in passed if number >= 3]
    assert max(map(later.count, later)) == entrances.IN_ONE_TURN


async def test_nobody_waits_where_there_is_time() -> None:
    turns = entrances.Turns()
    for now in range(100):
        assert turns.is_free(now)
        await asyncio.sleep(0)
