"""A State for tests, and what pages are made of besides it."""

from __future__ import annotations

from collections.abc import Callable

from claude_route.ledger import reports
from claude_route.pages import asking
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from tests import clocks


def state_of(profile: profiles.Profile, clock: Callable[[], float] | None = None) -> state.State:
    clock = clock or clocks.Clock()
    pool = rotation.Pool(profile.pool.tokens, clock=clock)
    return state.State(
        profile, pool, breaker.Breaker(clock), stats.Stats(clock), lessons.Lessons(clock)
    )


def sources(*rows: reports.Row, is_off: bool = False) -> asking.Sources:
    """A ledger that reports these rows, whatever it is asked."""

    async def report(query: reports.Query) -> reports.Report | None:
        if is_off:
            return None
        columns = zip(*(row[1:] for row in rows), strict=True)
        sums = [sum(numbers) for numbers in columns]
        return reports.Report(query, rows, reports.Row((), *sums))

    return asking.Sources(report, lambda: b"a_metric 1\n", lambda: 1795887000.0)
