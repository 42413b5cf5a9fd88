"""What tokens cost, for rows, views and sessions: the same dollars as in the ledger while the profile is the same."""

from __future__ import annotations

from collections.abc import Callable

from claude_route import targets
from claude_route.dialects import usage
from claude_route.pricing import claude
from claude_route.proxy import state


class Prices:
    """The prices of the profile in force."""

    def __init__(self, in_force: Callable[[], state.State | None] = lambda: None) -> None:
        self._in_force = in_force

    def __call__(self, target: str, model: str, used: usage.Usage) -> float | None:
        """Dollars; None if no price is known. `model` is the client's name for it, and `target` is empty for a flow
        that doesn't name who answered it."""
        provider, _, upstream = target.partition("/")
        in_force = self._in_force()
        if in_force and (known := in_force.profile.providers.get(provider)):
            answered_by = targets.Target(known, upstream)
            return in_force.profile.prices.cost(answered_by, model, used).dollars
        # A flow from a file may name a provider that the profile doesn't have.
        return claude.cost(upstream or model, used) if provider in ("", "anthropic") else None


LISTED = Prices()
"""Without a profile: what Claude's models cost."""
