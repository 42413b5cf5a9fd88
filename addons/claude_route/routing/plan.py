"""The attempts that a request may make, in order: the route's target with each pool token, then the
fallbacks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from claude_route import targets
from claude_route.routing import pool_tokens
from claude_route.routing import rotation


class Step(NamedTuple):
    """One attempt: a target and a credential."""

    target: targets.Target
    token: pool_tokens.Token | None = None
    """A pool token; None: the provider's own key or the client's credential."""


class Plan:
    """Returns the steps one by one, because the next one depends on how the last one failed.

    - First the pool's tokens in turn, each once per target, then the fallbacks in order.
    - A token in a long rest is tried first now and then, to see whether its limit has reset early.
    - If all tokens are resting, only the one that is available soonest is tried, and only if no
      fallback is left.
    - If the upstream can't be reached or is silent, another token wouldn't help, so a fallback is
      tried before the next token.
    - The last of `max_attempts` is reserved for a fallback, if one is left.
    - A target whose upstream keeps failing (`is_down`) is skipped as long as another is left.
    - The token that keeps the request's thread comes before the others, if it is available.
    """

    def __init__(
        self,
        candidates: Sequence[targets.Target],
        *,
        pool: rotation.Pool | None,
        is_down: Callable[[targets.Target], bool],
        session: str | None,
        max_attempts: int,
        keeper: pool_tokens.Token | None = None,
    ) -> None:
        self.targets = candidates
        self.pool = pool
        """None if the client's own credential is used."""
        self.is_down = is_down
        self.session = session
        self.left = max_attempts
        self.keeper = keeper
        self.place = 0
        self.tried: list[pool_tokens.Token] = []
        """The pool's tokens that were tried for the target at `place`."""
        self.tried_resting = False
        self.passed_over: list[str] = []
        """Why targets before the current one were not tried, or not with all tokens."""

    def next(self, *, upstream_failed: bool = False) -> Step | None:
        """The next attempt. `upstream_failed`: the last one got no connection or no answer in
        time."""
        if upstream_failed and self.tried and self._has_fallback():
            self._move_on()
        while self.left > 0 and self.place < len(self.targets):
            target = self.targets[self.place]
            step = None
            if self._has_fallback() and (self.is_down(target) or (self.tried and self.left == 1)):
                # A fallback gets this attempt.
                if self.is_down(target):
                    self.passed_over.append(f"{target} keeps failing")
            elif self.pool and target.provider.auth == "pool":
                step = self._pooled(self.pool, target)
            else:
                step = Step(target)
            if step is None or step.token is None:
                # Only a target with tokens left is worth more than one attempt.
                self._move_on()
            if step:
                self.left -= 1
                return step
        return None

    def keep(self, is_fit: Callable[[targets.Target], bool]) -> None:
        """Try no more targets than those that are fit."""
        self.targets = [
            target
            for place, target in enumerate(self.targets)
            if place < self.place or is_fit(target)
        ]

    def _pooled(self, pool: rotation.Pool, target: targets.Target) -> Step | None:
        token = None
        if self.keeper and self.keeper not in self.tried:
            token = pool.own(self.keeper, target.model)
        if (
            token is None and not self.tried and self.left > 1
        ):  # what follows a probe in vain needs an attempt too
            token = pool.probe(self.session, target.model)
            self.tried_resting = self.tried_resting or token is not None
        token = token or pool.pick(self.session, self.tried, target.model)
        if token is None and not self.tried_resting and not self._has_fallback():
            token = pool.soonest(self.tried, target.model)
            self.tried_resting = True
        if token is None:
            self.passed_over += pool.unavailable(self.tried, target.model)
            return None
        self.tried.append(token)
        return Step(target, token)

    def _has_fallback(self) -> bool:
        return self.left > 0 and any(
            not self.is_down(target) for target in self.targets[self.place + 1 :]
        )

    def _move_on(self) -> None:
        self.place += 1
        self.tried = []


def rehearse(
    candidates: Sequence[targets.Target],
    *,
    pool: rotation.Pool | None,
    is_down: Callable[[targets.Target], bool],
    max_attempts: int,
) -> list[Step]:
    """The steps that a request without a session would take now, if every attempt were refused."""
    plan = Plan(
        candidates,
        pool=pool.rehearsal() if pool else None,
        is_down=is_down,
        session=None,
        max_attempts=max_attempts,
    )
    steps: list[Step] = []
    while step := plan.next():
        steps.append(step)
    return steps
