from __future__ import annotations

import gc

from claude_route import collector


def test_what_the_start_has_left_is_not_looked_at_again() -> None:
    before = gc.get_freeze_count()
    kept = [object() for _ in range(10)]
    collector.Collector().running()
    assert gc.get_freeze_count() > before + 10_000
    assert not any(each is kept for each in gc.get_objects())


def test_what_comes_later_is_collected() -> None:
    collector.Collector().running()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
