"""The periods of budgets, whose borders are those of the calendar in UTC."""

from __future__ import annotations

import datetime
import functools

from claude_route.profile import limits

DAY = 24 * 3600
"""Seconds: Unix time has no others, so that each of its days begins at a multiple of them."""


def start(period: limits.Period, now: float) -> float:
    """When the period that `now` is in began: Unix seconds, as `now`."""
    return _start(period, now // DAY)


@functools.lru_cache(64)
def _start(period: limits.Period, days: float) -> float:
    """`days` since 1970. Each request of a client with limits asks, and nearly all of a day ask the same."""
    day = today(days * DAY)
    match period:
        case "day":
            first = day
        case "week":
            first = day - datetime.timedelta(days=day.weekday())
        case "month":
            first = day.replace(day=1)
    return _midnight(first)


def end(period: limits.Period, now: float) -> float:
    """When the next period begins."""
    begun = start(period, now)
    match period:
        case "day":
            return begun + DAY
        case "week":
            return begun + 7 * DAY
        case "month":
            # 31 days after the first of a month is in the next one.
            return start("month", begun + 31 * DAY)


def today(now: float) -> datetime.date:
    """The date in UTC."""
    return datetime.datetime.fromtimestamp(now, datetime.UTC).date()


def _midnight(date: datetime.date) -> float:
    return datetime.datetime.combine(date, datetime.time(), datetime.UTC).timestamp()
