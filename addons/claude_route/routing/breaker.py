"""Detects targets that are down: those that failed several times in a row are skipped for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

FAILURES = 3
"""In a row, until a target is skipped. One or two may be chance."""

SKIP = 30.0
"""Seconds."""

RESTART = 600.0
"""Seconds since its last answer in which a server that is gone may be back soon: most answers take less,
and so do restarts."""

MAX_TARGETS = 1000
"""A route such as `anthropic/*` takes its model from the client, so there may be more targets than
the profile has. Beyond this many, we forget the oldest, which are then tried again."""


MAX_CLIENTS = 64
"""Whose failures of a target are told apart."""


class _Failures(NamedTuple):
    running: Mapping[str, int]
    """Client -> how many it has had."""
    last: float

    def count(self, client: str | None) -> int:
        """As one client sees it: its own, and one for each other client that has had any. None: as the
        client sees it that has had most."""
        if client is None:
            return max(self.running.values()) + len(self.running) - 1
        others = len(self.running) - (client in self.running)
        return self.running.get(client, 0) + others


class Breaker:
    """Failures of targets since their last success, and when that was, by name (`zai/glm-5`).

    After SKIP seconds a target is tried again, and skipped again if that fails too. What fails may fail
    because of what one client sends, so however often it does, that counts once for the others.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since any epoch."""
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._answered: OrderedDict[str, float] = OrderedDict()

    def failed(self, target: str, client: str = "") -> None:
        """Count a failure: no answer, or a 5xx (a verdict's `cause == "outage"`)."""
        running = dict(self._failures.pop(target, _Failures({}, 0.0)).running)
        if client in running or len(running) < MAX_CLIENTS:
            running[client] = running.get(client, 0) + 1
        self._failures[target] = _Failures(running, self._clock())
        if len(self._failures) > MAX_TARGETS:
            self._failures.popitem(last=False)

    def succeeded(self, target: str) -> None:
        self._failures.pop(target, None)
        self._answered[target] = self._clock()
        self._answered.move_to_end(target)
        if len(self._answered) > MAX_TARGETS:
            self._answered.popitem(last=False)

    def has_answered(self, target: str) -> bool:
        """Whether it did within the last RESTART seconds."""
        answered = self._answered.get(target)
        return answered is not None and self._clock() - answered < RESTART

    def is_open(self, target: str, client: str | None = None) -> bool:
        """Whether to skip the target for a client, if there is another to try; None: for any."""
        return self.left(target, client) > 0

    def left(self, target: str, client: str | None = None) -> float:
        """Seconds for which it will still be skipped; 0 if it isn't skipped."""
        failures = self._failures.get(target)
        if failures is None or failures.count(client) < FAILURES:
            return 0.0
        return max(0.0, failures.last + SKIP - self._clock())
