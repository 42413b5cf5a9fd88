from __future__ import annotations

from claude_route.access import limits


def test_a_log_line_is_due_once_a_minute_for_each_limit() -> None:
    meter = limits.Meter()
    due = [meter.hit(name, now) for name, now in (("a", 0), ("a", 59.9), ("b", 59.9), ("a", 60))]
    assert due == [True, False, True, True]


def test_a_limit_is_counted_each_time_it_is_met() -> None:
    meter = limits.Meter()
    for now in range(3):
        meter.hit("a", now)
    assert meter.counts == {"a": 3}
