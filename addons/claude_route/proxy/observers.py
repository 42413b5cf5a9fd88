"""Combines several observers into one."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mitmproxy import http

from claude_route.proxy import contract
from claude_route.routing import lessons

logger = logging.getLogger(__name__)


class Observers(contract.Observer):
    """Calls each of the observers, in order.

    If one raises, we log the exception; neither the request nor the other observers are affected.
    """

    def __init__(self, observers: Sequence[contract.Observer] = ()) -> None:
        self.observers = observers

    def rejected(self, request: contract.Rejected) -> None:
        self._report("rejected", request)

    def began(self, request: contract.RoutedRequest) -> None:
        self._report("began", request)

    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        self._report("tries", request, attempt)

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        self._report("failed", request, attempt)

    def opened(self, request: contract.RoutedRequest) -> None:
        self._report("opened", request)

    def committed(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        progress: contract.Progress,
    ) -> None:
        self._report("committed", request, attempt, progress)

    def learned(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        refused: Sequence[lessons.Lesson],
    ) -> None:
        self._report("learned", request, attempt, refused)

    def woke(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        self._report("woke", request, attempt)

    def unchecked(
        self, request: contract.RoutedRequest, attempt: contract.Try, by: contract.Asker | None
    ) -> None:
        self._report("unchecked", request, attempt, by)

    def refused(self, request: contract.RoutedRequest, attempt: contract.Try | None) -> None:
        self._report("refused", request, attempt)

    def answered(self, request: contract.RoutedRequest, response: http.Response) -> None:
        self._report("answered", request, response)

    def interrupted(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        self._report("interrupted", request, attempt, why)

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        self._report("closed", request, tokens, why)

    def _report(self, event: str, *details: object) -> None:
        for observer in self.observers:
            try:
                getattr(observer, event)(*details)
            except Exception:
                logger.exception(f"{type(observer).__name__} failed; the request goes on")
