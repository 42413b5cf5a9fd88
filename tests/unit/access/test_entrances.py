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


async def test_few_begin_in_one_turn_of_the_loop() -> None:
    turns = entrances.Turns()
    loop_turns: list[int] = []
    now = 0

    async def begin() -> None:
        await turns.take()
        loop_turns.append(now)

    tasks = [asyncio.create_task(begin()) for _ in range(20)]
    tasks[-1].cancel()
    while not all(task.done() for task in tasks):
        now += 1
        await asyncio.sleep(0)
    assert len(loop_turns) == 19
    assert max(map(loop_turns.count, loop_turns)) <= entrances.IN_ONE_TURN
