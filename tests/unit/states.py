"""A State for tests."""

from __future__ import annotations

from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from tests import clocks


def state_of(profile: profiles.Profile) -> state.State:
    clock = clocks.Clock()
    pool = rotation.Pool(profile.pool.tokens, clock=clock)
    return state.State(
        profile, pool, breaker.Breaker(clock), stats.Stats(clock), lessons.Lessons(clock)
    )
