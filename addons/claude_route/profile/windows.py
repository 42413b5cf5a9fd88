"""How many tokens of context Claude Code should reckon with.

It knows the windows of Claude's models only, and takes any other name for one with a million tokens unless
an environment variable says otherwise: https://code.claude.com/docs/en/env-vars.
"""

from __future__ import annotations

from claude_route import targets
from claude_route.profile import profiles

VARIABLE = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"
"""Counts for all models whose names Claude Code doesn't know."""


def smallest(profile: profiles.Profile) -> int | None:
    """The smallest window of the profile's models, but for those that have the names of Claude's; None if
    none is known."""
    known = [
        target.abilities.context
        for name, target in profile.models.items()
        if not targets.unprefixed(name).startswith("claude-") and target.abilities.context
    ]
    return min(known, default=None)
