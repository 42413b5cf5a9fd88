from __future__ import annotations

import datetime

import pytest

from claude_route.profile import limits
from claude_route.routing import calendar


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(f"{text}+00:00").timestamp()


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("day", "2026-11-28T18:00:00", "2026-11-28T00:00:00", "2026-11-29T00:00:00"),
        ("day", "2026-11-28T00:00:00", "2026-11-28T00:00:00", "2026-11-29T00:00:00"),
        ("day", "2026-11-28T23:59:59.9", "2026-11-28T00:00:00", "2026-11-29T00:00:00"),
        ("week", "2026-11-28T18:00:00", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("week", "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        ("week", "2027-01-01T00:00:00", "2026-12-28T00:00:00", "2027-01-04T00:00:00"),
        ("month", "2026-11-28T18:00:00", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
        ("month", "2026-12-31T23:59:59", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("month", "2028-02-29T12:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_borders(period: limits.Period, now: str, start: str, end: str) -> None:
    assert calendar.start(period, at(now)) == at(start)
    assert calendar.end(period, at(now)) == at(end)


def test_today() -> None:
    assert calendar.today(at("2026-11-28T23:59:59")) == datetime.date(2026, 11, 28)
