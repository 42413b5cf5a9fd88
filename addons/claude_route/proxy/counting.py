"""Counts the outcomes of requests, for the status page."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from claude_route.proxy import contract
from claude_route.proxy import state
from claude_route.routing import stats


class Counting(contract.Observer):
    def __init__(self, state_in_force: Callable[[], state.State | None]) -> None:
        self.state_in_force = state_in_force
        self._tallies: weakref.WeakKeyDictionary[contract.RoutedRequest, stats.Tally] = (
            weakref.WeakKeyDictionary()
        )

    def began(self, request: contract.RoutedRequest) -> None:
        in_force = self.state_in_force()
        assert in_force, "there are no requests without a profile"
        self._tallies[request] = in_force.stats.request(
            request.model,
            request.client.name if request.client else "",
            counted=not request.counts_tokens,
            is_check=request.check is not None,
        )

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        outcome = attempt.outcome
        # A client whose own login is refused says nothing about the target.
        is_clients = outcome.credential == "client" and attempt.cause == "credential"
        self._tallies[request].attempt_failed(
            outcome.target,
            outcome.why,
            is_at_fault=attempt.cause != "request" and not is_clients,
        )

    def committed(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        progress: contract.Progress,
    ) -> None:
        self._tallies[request].answered(attempt.target)

    def refused(self, request: contract.RoutedRequest, attempt: contract.Try | None) -> None:
        self._tallies[request].refused()

    def interrupted(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        self._tallies[request].interrupted(why)

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        tally = self._tallies.pop(request)
        if tokens:
            tally.used(tokens.prompt, tokens.output, cached=tokens.cache_read)
        tally.closed()
