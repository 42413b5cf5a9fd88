"""Remembers which parameters a target has refused, so that later requests leave them out at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from claude_route import targets

LIFETIME = 6 * 3600.0
"""Seconds. A provider may learn the parameter, or may have refused it by mistake; finding out again costs
one refused attempt."""

MAX_TARGETS = 1000
"""A route such as `groq/*` takes its model from the client, so there may be more targets than the profile
has. Beyond this many, we forget the oldest."""

MAX_LESSONS = 32
"""For each target, for the same reason: settings are the client's."""


class Lesson(NamedTuple):
    """What a request goes without, named as in a profile's `drop`."""

    name: str
    settings: bytes | None = None
    """The settings of the requests that it is about (`requests.settings`); None if it is about all. A
    provider that refuses a parameter's value, or what it is combined with, refuses only such requests. So no
    client's odd request changes those of others."""


class Row(NamedTuple):
    """What is left out now."""

    name: str
    left: float
    """Seconds until it is tried again."""
    is_general: bool


class Lessons:
    """What targets have refused.

    The keys have the whole entry of a provider, so that one that changes in the profile begins again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since any epoch."""
        self._clock = clock
        self._ends: OrderedDict[targets.Target, dict[Lesson, float]] = OrderedDict()

    def learn(self, target: targets.Target, lessons: Iterable[Lesson]) -> list[Lesson]:
        """Add what a target has refused. Returns what wasn't known."""
        for past in self._ends.keys() - set(self.refusing()):
            del self._ends[past]
        ends = self._ends.pop(target, {})
        known = set(self._current(ends))
        new = [lesson for lesson in dict.fromkeys(lessons) if lesson not in known]
        for lesson in new:
            ends.pop(lesson, None)  # so that it counts as the newest
            ends[lesson] = self._clock() + LIFETIME
        while len(ends) > MAX_LESSONS:
            particular = (lesson for lesson in ends if lesson.settings is not None)
            del ends[next(particular, next(iter(ends)))]
        self._ends[target] = ends
        if len(self._ends) > MAX_TARGETS:
            self._ends.popitem(last=False)
        return new

    def has_any(self, target: targets.Target) -> bool:
        """Whether some request to a target may go without something."""
        return bool(self._ends.get(target))

    def left_out(self, target: targets.Target, settings: Callable[[], bytes]) -> tuple[str, ...]:
        """What a request with these settings goes without."""
        if not self._ends or not (ends := self._ends.get(target)):
            return ()
        current = list(self._current(ends))
        own = settings() if any(lesson.settings is not None for lesson in current) else None
        return tuple({lesson.name: None for lesson in current if lesson.settings in (None, own)})

    def rows(self, target: targets.Target) -> list[Row]:
        """What requests to a target go without now, sorted by name."""
        now = self._clock()
        ends = self._ends.get(target, {})
        rows: dict[str, Row] = {}
        for name, settings in sorted(self._current(ends), key=lambda lesson: lesson.name):
            end = ends[Lesson(name, settings)]
            row = rows.get(name, Row(name, 0.0, is_general=False))
            left, is_general = max(row.left, end - now), row.is_general or settings is None
            rows[name] = Row(name, left, is_general)
        return list(rows.values())

    def refusing(self) -> list[targets.Target]:
        """The targets that refuse something."""
        return list(filter(self._is_current, self._ends))

    def _is_current(self, target: targets.Target) -> bool:
        return any(self._current(self._ends[target]))

    def _current(self, ends: dict[Lesson, float]) -> Iterator[Lesson]:
        now = self._clock()
        return (lesson for lesson, end in ends.items() if end > now)
