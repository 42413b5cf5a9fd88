"""How much a client may use: `requests_per_minute`, `tokens_per_day` and `budget` in a profile."""

from __future__ import annotations

from typing import Literal
from typing import NamedTuple

from claude_route.profile import values

type Period = Literal["day", "week", "month"]
"""By the calendar, in UTC: a day, a week from Monday on, a month."""

PERIODS: tuple[Period, ...] = ("day", "week", "month")

KEYS = ("requests_per_minute", "tokens_per_day", "budget")


class Cap(NamedTuple):
    """The most that a client may spend in a period."""

    period: Period
    dollars: float


class Limits(NamedTuple):
    requests_per_minute: int | None = None
    """Within any 60 seconds."""
    tokens_per_day: int | None = None
    """Of all kinds, those read from a cache included."""
    caps: tuple[Cap, ...] = ()

    @property
    def are_of_use(self) -> bool:
        """Whether they limit how much is used, rather than how often."""
        return bool(self.tokens_per_day or self.caps)


NONE = Limits()


def read(client: values.Value) -> Limits:
    """The limits among the keys of a client.

    Raises:
        ValueError: as all readers of values.
    """
    return Limits(
        requests_per_minute=_count(client["requests_per_minute"]),
        tokens_per_day=_count(client["tokens_per_day"]),
        caps=_caps(client["budget"]),
    )


def _count(value: values.Value) -> int | None:
    if value.raw is None:
        return None
    return value.integer(0, expected="a whole number above 0", least=1)


def _caps(value: values.Value) -> tuple[Cap, ...]:
    value.only(*PERIODS)
    caps = tuple(
        Cap(period, _dollars(value[period])) for period in PERIODS if value[period].raw is not None
    )
    if value.raw is not None and not caps:
        raise value.error(f"at least one of {', '.join(PERIODS)}", got="none")
    return caps


def _dollars(value: values.Value) -> float:
    expected = "a number of dollars above 0"
    dollars = value.number(expected=expected)
    if dollars == 0:
        raise value.error(expected)
    return dollars
