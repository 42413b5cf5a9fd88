from __future__ import annotations

import gc
import itertools
from collections.abc import Callable

import pytest

from claude_route import collector
from claude_route.proxy import work
from tests import clocks


def test_what_the_start_has_left_is_not_looked_at_again() -> None:
    before = gc.get_freeze_count()
    kept = [object() for _ in range(10)]
    collector.Collector().running()
    assert gc.get_freeze_count() > before + 10_000
    assert not any(each is kept for each in gc.get_objects())


def test_what_is_old_is_looked_at_often() -> None:
    before = gc.get_threshold()
    watched = collector.Collector()
    watched.running()
    assert gc.get_threshold() == (*before[:2], collector.OFTEN)
    watched.done()
    assert gc.get_threshold() == before


def test_what_comes_later_is_collected() -> None:
    collector.Collector().running()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


def test_what_takes_long_is_not_looked_at_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    behind: list[Callable[[], object]] = []
    monkeypatch.setattr(work, "behind", behind.append)
    spent, clock = clocks.Clock(0.0), clocks.Clock(0.0)
    watched = collector.Collector(spent, clock)
    watched.running()
    try:
        kept = [[number] for number in range(10)]

        def collect(seconds: float) -> None:
            watched.watch("start", {"generation": 2})
            spent.now += seconds
            watched.watch("stop", {"generation": 2})

        def is_looked_at() -> bool:
            return any(each is kept for each in gc.get_objects())

        collect(collector.LONG / 2)
        assert is_looked_at()
        collect(collector.LONG * 2)
        assert not is_looked_at()
        circle: list[object] = []
        circle.append(circle)
        gc.freeze()
        del circle
        collected: list[int] = []
        gc.callbacks.append(lambda phase, info: collected.append(info.get("collected", 0)))
        for is_quiet, seconds in ((False, collector.SOON + 1), (False, collector.AGAIN)):
            watched.look(is_quiet)
            assert collected == []
            clock.now += seconds
        watched.look(False)
        gc.callbacks.pop()
        assert sum(collected) >= 1
        assert behind == [work.trim], "the memory that this has freed goes back to the system"
        collect(collector.LONG * 2)
        clock.now += collector.SOON + 1
        before = len(collected)
        for is_quiet in [True] * (collector.CALM - 1) + [False] + [True] * (collector.CALM - 1):
            watched.look(is_quiet)
            assert watched._frozen_at is not None
        watched.look(True)
        assert watched._frozen_at is None
        assert len(collected) == before
    finally:
        watched.done()
    assert watched.watch not in gc.callbacks


def test_to_look_again_is_no_reason_to_look_again() -> None:
    spent = itertools.count(0.0, 2 * collector.LONG)
    watched = collector.Collector(lambda: next(spent), lambda: next(seconds))
    seconds = itertools.count(0.0, collector.SOON + 1)
    watched.running()
    try:
        watched.watch("start", {"generation": 2})
        watched.watch("stop", {"generation": 2})
        for _ in range(collector.CALM):
            watched.look(True)
        collected: list[str] = []
        gc.callbacks.append(lambda phase, info: collected.append(phase))
        watched.look(True)
        gc.callbacks.pop()
        assert collected == []
    finally:
        watched.done()
