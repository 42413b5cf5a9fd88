"""Several observers as one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from collections.abc import Sequence

from claude_route.proxy import contract

logger = logging.getLogger(__name__)


class Observers(contract.Observer):
    """Passes everything on to each of them, in order.

    One that raises is reported in the log, and harms neither the request nor the others.
    """

    def __init__(self, observers: Sequence[contract.Observer] = ()) -> None:
        self.observers = observers

    def began(self, request: contract.RoutedRequest) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.began(request)

    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.tries(request, attempt)

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.failed(request, attempt)

    def committed(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        progress: contract.Progress,
    ) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.committed(request, attempt, progress)

    def refused(self, request: contract.RoutedRequest, attempt: contract.Try | None) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.refused(request, attempt)

    def broke_off(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.broke_off(request, attempt, why)

    def closed(
        self, request: contract.RoutedRequest, usage: contract.Usage | None, why: str | None
    ) -> None:
        for observer in self.observers:
            with _contained(observer):
                observer.closed(request, usage, why)


@contextlib.contextmanager
def _contained(observer: contract.Observer) -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception(f"{type(observer).__name__} failed; the request goes on")
