"""The rests of one token, and when it is asked again before they are over.

Limits reset early (a changed plan, credit that was bought), and some answers name a wrong time. So in
a rest that takes long the token is asked now and then, with a request that is there anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from claude_route.routing import health
from claude_route.routing import quota

LONG = 3600.0
"""Seconds of rest that are left, so that the token is asked before."""

DAY = 86400.0

FIRST_PROBE = 300.0
"""Seconds until a token in a long rest is asked for the first time. Each further time comes after twice
as long, up to LAST_PROBE."""

FIRST_PROBE_OF_DAYS = 1.0
"""The same for a rest of more than a day, which is wrong more often, and costs more if it is."""

LAST_PROBE = 900.0


@dataclass
class _Held:
    rest: quota.Rest
    since: float
    is_by_hand: bool
    probe_at: float
    delay: float


class Rests:
    """By model family; the family None is all models. All times are Unix seconds."""

    def __init__(self) -> None:
        self._held: dict[str | None, _Held] = {}

    def due(self, model: str | None) -> float:
        """When the token may be used for a model."""
        return max((held.rest.until for held in self._of(model)), default=0.0)

    def add(
        self, rest: quota.Rest, now: float, *, is_by_hand: bool = False
    ) -> tuple[quota.Rest, bool]:
        """Rest the token, but never shorten a rest. Returns the rest that now applies, and whether it
        is this one."""
        held = self._held.get(rest.family)
        if held and held.rest.until >= rest.until:
            return held.rest, False
        self._put(health.Held(rest, now, is_by_hand), now)
        return rest, True

    def held(self, now: float) -> tuple[health.Held, ...]:
        """Those that aren't over."""
        return tuple(
            health.Held(held.rest, held.since, held.is_by_hand)
            for held in self._held.values()
            if held.rest.until > now
        )

    def adopt(self, rests: Iterable[health.Held], now: float) -> None:
        """Have these rests and no others, as another process knows them."""
        adopted = {held.rest.family: held for held in rests if held.rest.until > now}
        for family in self._held.keys() - adopted.keys():
            del self._held[family]
        for family, held in adopted.items():
            if family not in self._held or self._held[family].rest != held.rest:
                self._put(held, now)

    def probe(self, model: str | None, now: float) -> bool:
        """Whether to ask the token for a model now, although it rests. If so, it isn't asked again
        soon."""
        resting = [held for held in self._of(model) if held.rest.until > now]
        if not resting or any(
            held.is_by_hand or held.rest.until - now <= LONG or held.probe_at > now
            for held in resting
        ):
            return False
        for held in resting:
            held.delay = min(2 * held.delay, LAST_PROBE)
            held.probe_at = now + held.delay
        return True

    def probe_soon(self) -> None:
        """Let the token be asked with the next request, if it is in a long rest."""
        for held in self._held.values():
            held.probe_at = 0.0

    def answered(self, model: str | None, asked: float) -> bool:
        """End the rests for a model after a good answer to a request that was sent at `asked`. Returns
        whether there were any; a rest that began later, or by hand, goes on."""
        ended = [
            held
            for held in self._of(model)
            if held.since < asked <= held.rest.until and not held.is_by_hand
        ]
        for held in ended:
            del self._held[held.rest.family]
        return bool(ended)

    def left(self, now: float) -> dict[str | None, float]:
        """Seconds that the token still rests, by model family."""
        return {
            family: held.rest.until - now
            for family, held in self._held.items()
            if held.rest.until > now
        }

    def clear(self) -> None:
        self._held.clear()

    def _put(self, held: health.Held, now: float) -> None:
        before = self._held.get(held.rest.family)
        delay = FIRST_PROBE_OF_DAYS if held.rest.until - now > DAY else FIRST_PROBE
        if before and before.rest.until > now:  # a probe that was in vain
            delay = max(delay, before.delay)
        self._held[held.rest.family] = _Held(*held, now + delay, delay)

    def _of(self, model: str | None) -> list[_Held]:
        if not self._held:
            return []
        return [self._held[family] for family in families(model) if family in self._held]


def families(model: str | None) -> tuple[str | None, ...]:
    """Those whose rests concern a model."""
    return (None, quota.family(model)) if model else (None,)
