"""What the attempts at one request teach the pool, the breaker, and the rest of what requests share."""

from __future__ import annotations

from typing import NamedTuple

from mitmproxy import http

from claude_route.proxy import sender
from claude_route.proxy import state
from claude_route.routing import lessons
from claude_route.routing import plan
from claude_route.routing import quota
from claude_route.routing import verdict


class Learnt(NamedTuple):
    lessons: list[lessons.Lesson]
    """What later requests to the target leave out."""
    is_awake: bool
    """The token answers again before its rest was over."""


class Learning:
    def __init__(
        self, in_force: state.State, asked_by: sender.Sender, *, counts_tokens: bool
    ) -> None:
        self.state = in_force
        self._sender = asked_by
        self._counts_tokens = counts_tokens
        self._outages: set[str] = set()
        """The targets of failures that the breaker has counted."""

    def began(self, step: plan.Step, response: http.Response) -> None:
        """An answer has begun. The pool learns from a failure once its whole body has arrived: see `failed`."""
        if step.token and response.status_code < 400:
            self.state.pool.learn(
                step.token, response.status_code, response.headers, model=step.target.model
            )

    def failed(
        self, step: plan.Step, outcome: verdict.Outcome, ruling: verdict.Verdict
    ) -> list[quota.Effect]:
        """What that does to the pool's token."""
        if ruling.cause == "outage" and outcome.target not in self._outages:
            # Once, however many tokens were tried there: a single request must not have it skipped.
            self._outages.add(outcome.target)
            self.state.breaker.failed(outcome.target, self._sender.party)
        if step.token is None or not outcome.kind.is_answer:
            return []
        return self.state.pool.learn(
            step.token,
            outcome.error_status,
            outcome.headers,
            outcome.account_fault,
            model=step.target.model,
            count_tokens=self._counts_tokens,
            is_fast=outcome.is_fast,
        )

    def succeeded(
        self,
        step: plan.Step,
        refused: list[lessons.Lesson],
        *,
        session: str,
        size: int,
        asked: float,
    ) -> Learnt:
        """An answer is good. `refused` is what its target has refused of the request before; `size` are the
        bytes of the request, and `asked` is when the attempt began, in Unix seconds."""
        target = str(step.target)
        self.state.breaker.succeeded(target)
        new = self.state.lessons.learn(step.target, refused) if refused else []
        # Counting tokens isn't limited as answers are.
        if self._counts_tokens:
            return Learnt(new, is_awake=False)
        if session:
            self.state.sizes.took(target, session, size, self._sender.party)
        is_awake = step.token is not None and self.state.pool.answered(
            step.token, model=step.target.model, asked=asked
        )
        return Learnt(new, is_awake)
