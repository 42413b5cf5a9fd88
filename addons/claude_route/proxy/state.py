"""What requests share."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from claude_route.profile import profiles
from claude_route.proxy import gate
from claude_route.proxy import served
from claude_route.proxy import sharing
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import sizes
from claude_route.routing import stats
from claude_route.routing import threads


@dataclass(frozen=True)
class State:
    """A changed profile creates a new State; requests in progress keep theirs."""

    profile: profiles.Profile
    pool: rotation.Pool
    breaker: breaker.Breaker
    stats: stats.Stats
    lessons: lessons.Lessons
    threads: threads.Threads = field(default_factory=threads.Threads)
    served: served.Served = field(default_factory=served.Served)
    sizes: sizes.Sizes = field(default_factory=sizes.Sizes)
    gate: gate.Gate = field(default_factory=gate.Gate)
    sharing: sharing.Sharing = field(default_factory=sharing.Sharing)
