"""The attempts that a request may make, in order: the route's target with each pool token, then the
fallbacks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from claude_route import targets
from claude_route.routing import rotation


class Step(NamedTuple):
    """One attempt: a target and a credential."""

    target: targets.Target
    token: rotation.Token | None = None
    """A pool token; None: the provider's own key or the client's credential."""


class Plan:
    """Hands out the steps one by one, since which comes next depends on how the last one failed.

    - The tokens of the pool come in turn, each once for a target, then the fallbacks in order.
    - When all tokens rest, only the one due soonest is tried, and only if no fallback is left.
    - If the upstream can't be reached or is silent, another token wouldn't help: a fallback is
      tried before the next token.
    - The last of `max_attempts` is reserved for a fallback, if one is left.
    - A target whose upstream keeps failing (`is_down`) is skipped as long as another is left.
    """

    def __init__(
        self,
        targets: Sequence[targets.Target],
        *,
        pool: rotation.Pool | None,
        is_down: Callable[[targets.Target], bool],
        session: str | None,
        max_attempts: int,
    ) -> None:
        self.targets = targets
        self.pool = pool
        """None if the client's own credential is used."""
        self.is_down = is_down
        self.session = session
        self.left = max_attempts
        self.place = 0
        self.tried: list[rotation.Token] = []
        """Of the pool, for the target at `place`."""
        self.asked_resting = False

    def next(self, *, upstream_failed: bool = False) -> Step | None:
        """The next attempt. `upstream_failed`: the last one got no connection or no answer in
        time."""
        if upstream_failed and self.tried and self._stands_behind():
            self._move_on()
        while self.left > 0 and self.place < len(self.targets):
            target = self.targets[self.place]
            step = None
            if self._stands_behind() and (self.is_down(target) or (self.tried and self.left == 1)):
                pass
            elif self.pool and target.provider.auth == "pool":
                step = self._pooled(self.pool, target)
            else:
                step = Step(target)
            if step is None or step.token is None:
                self._move_on()
            if step:
                self.left -= 1
                return step
        return None

    def _pooled(self, pool: rotation.Pool, target: targets.Target) -> Step | None:
        token = pool.pick(self.session, self.tried, target.model)
        if token is None and not self.asked_resting and not self._stands_behind():
            token = pool.soonest(self.tried, target.model)
            self.asked_resting = True
        if token is None:
            return None
        self.tried.append(token)
        return Step(target, token)

    def _stands_behind(self) -> bool:
        return self.left > 0 and any(
            not self.is_down(target) for target in self.targets[self.place + 1 :]
        )

    def _move_on(self) -> None:
        self.place += 1
        self.tried = []


def rehearse(
    targets: Sequence[targets.Target],
    *,
    pool: rotation.Pool | None,
    is_down: Callable[[targets.Target], bool],
    max_attempts: int,
) -> list[Step]:
    """The steps that a request of no session would take now, if every attempt were refused."""
    plan = Plan(
        targets,
        pool=pool.rehearsal() if pool else None,
        is_down=is_down,
        session=None,
        max_attempts=max_attempts,
    )
    steps: list[Step] = []
    while step := plan.next():
        steps.append(step)
    return steps
