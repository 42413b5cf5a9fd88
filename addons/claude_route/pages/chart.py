"""Bars over time, as the numbers that an SVG needs: pure geometry, in a box that is stretched to its place."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 1000.0
HEIGHT = 100.0

SERIES = 5
"""Colours. What is beyond is added up as OTHERS."""

OTHERS = "(others)"

DAY = 86400


MOST = 999
"""Bars: since the year 1 there have been 740,000 days."""


class Part(NamedTuple):
    """One colour of a bar."""

    series: int
    y: float
    height: float


class Bar(NamedTuple):
    slot: str
    """The day or the hour: `2026-11-28`, `2026-11-28T17`."""
    x: float
    width: float
    total: float
    parts: tuple[Part, ...]


class Chart(NamedTuple):
    series: tuple[str, ...]
    bars: tuple[Bar, ...]
    top: float
    """The value of the highest bar."""


def slots(since: float, until: float, *, hourly: bool) -> list[str]:
    """The names of all days or hours from one moment to another, in UTC; of more than MOST, the last."""
    step, form = (3600, "%Y-%m-%dT%H") if hourly else (DAY, "%Y-%m-%d")
    first = int(since // step)
    last = max(first, int(-(-until // step)) - 1)
    first = max(first, last - MOST + 1)
    moments = (number * step for number in range(first, last + 1))
    return [datetime.datetime.fromtimestamp(at, datetime.UTC).strftime(form) for at in moments]


def chart(
    names: Sequence[str],
    values: Mapping[tuple[str, str], float],
    ranking: Iterable[str],
) -> Chart:
    """`values` are by slot and name; `ranking` has all names, those first that get a colour of their own."""
    ranked = list(dict.fromkeys(ranking))
    own = ranked if len(ranked) <= SERIES else ranked[: SERIES - 1]
    series = (*own, OTHERS) if len(own) < len(ranked) else tuple(own)
    place = {name: number for number, name in enumerate(own)}
    stacks: dict[str, list[float]] = {name: [0.0] * len(series) for name in names}
    for (slot, name), value in values.items():
        if slot in stacks:
            stacks[slot][place.get(name, len(series) - 1)] += value
    top = max((sum(stack) for stack in stacks.values()), default=0.0)
    pitch = WIDTH / max(1, len(names))
    gap = pitch * 0.2
    bars = []
    for number, slot in enumerate(names):
        parts, y = [], HEIGHT
        for which, value in enumerate(stacks[slot]):
            if value:
                height = value / top * HEIGHT
                y -= height
                parts.append(Part(which, round(y, 2), round(height, 2)))
        x = number * pitch + gap / 2
        bars.append(Bar(slot, round(x, 2), round(pitch - gap, 2), sum(stacks[slot]), tuple(parts)))
    return Chart(series, tuple(bars), top)
