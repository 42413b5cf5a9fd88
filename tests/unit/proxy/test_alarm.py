"""Deadlines built from wakeups that can't be cancelled."""

from __future__ import annotations

import pytest
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.proxy import alarm
from tests import clocks
from tests.unit.proxy import drivers


class Bell:
    """An alarm, and mitmproxy's side of it."""

    def __init__(self) -> None:
        self.clock = clocks.Clock()
        self.alarm = alarm.Alarm(drivers.system(self.clock))
        self.due: dict[commands.RequestWakeup, float] = {}

    def set(self, seconds: float) -> int:
        """How many wakeups it requests."""
        return self._note(list(self.alarm.set(seconds)))

    def _note(self, asked: list[commands.Command]) -> int:
        for command in asked:
            assert isinstance(command, commands.RequestWakeup)
            self.due[command] = self.clock.now + command.delay
        return len(asked)

    def rings_after(self) -> float | None:
        """Seconds until it rings; None if it never does."""
        started = self.clock.now
        while self.due:
            wakeup = min(self.due, key=lambda command: self.due[command])
            self.clock.now = self.due.pop(wakeup)
            generator = self.alarm.rings(wakeup)
            try:
                while True:
                    self._note([next(generator)])
            except StopIteration as e:
                if e.value:
                    return round(self.clock.now - started, 3)
        return None


@pytest.mark.parametrize("seconds", [0, 0.5, alarm.TICK, 3, 7.25, 300])
def test_it_rings_once_at_its_time(seconds: float) -> None:
    bell = Bell()
    assert bell.set(seconds) == 1
    assert max(wakeup.delay for wakeup in bell.due) <= alarm.TICK
    assert bell.rings_after() == seconds
    assert bell.rings_after() is None


@pytest.mark.parametrize(
    ("first", "then", "wakeups", "rings"),
    [
        pytest.param(2, 10, 0, 10, id="later, the same wakeup"),
        pytest.param(2, 2, 0, 2, id="as late, the same wakeup"),
        pytest.param(10, 0.5, 1, 0.5, id="earlier, one more"),
        pytest.param(0, 1, 0, 1, id="after none"),
    ],
)
def test_another_takes_its_place(first: float, then: float, wakeups: int, rings: float) -> None:
    bell = Bell()
    bell.set(first)
    assert bell.set(then) == wakeups
    assert bell.rings_after() == rings
    assert bell.rings_after() is None


def test_it_can_be_put_off_for_nothing() -> None:
    bell = Bell()
    bell.set(1)
    for _ in range(10):
        bell.clock.now += 0.9
        bell.alarm.put_off(1)
    assert bell.rings_after() == 1


def test_it_can_be_cleared_and_set_again() -> None:
    bell = Bell()
    bell.set(1)
    bell.alarm.clear()
    assert bell.rings_after() is None
    assert bell.set(1) == 1
    assert bell.rings_after() == 1


def test_a_wakeup_that_is_early_by_less_than_a_millisecond_will_do() -> None:
    bell = Bell()
    bell.set(1)
    (wakeup,) = bell.due
    bell.clock.now += 1 - alarm.PRECISION / 2
    with pytest.raises(StopIteration) as stop:
        next(bell.alarm.rings(wakeup))
    assert stop.value.value is True


def test_released_its_wakeups_are_nobodys() -> None:
    bell = Bell()
    bell.set(1)
    (wakeup,) = bell.due
    with taddons.context() as tctx:
        above = context.Context(tflow.tclient_conn(), tctx.options)
        parent = layers.HttpLayer(above, layers.HTTPMode.regular)
    stream, other = (layers.HttpStream(above.fork(), stream_id) for stream_id in (1, 3))
    another = commands.RequestWakeup(1)
    parent.command_sources = {wakeup: stream, another: other}
    bell.alarm.release(parent)
    assert parent.command_sources[wakeup] is not stream
    assert list(parent.command_sources[wakeup].handle_event(events.Wakeup(wakeup))) == []
    assert parent.command_sources[another] is other
    assert bell.rings_after() is None
