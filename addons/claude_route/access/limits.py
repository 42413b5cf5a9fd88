"""Counts how often each limit is met, and says when the log should name one: once a minute each, because whoever
meets a limit on purpose would otherwise fill the log."""

from __future__ import annotations

import collections

LOG_INTERVAL = 60.0
"""Seconds between two log lines about one limit."""


class Meter:
    """All limits share one, which the metrics read. Nothing here knows what a limit is about: its name
    is a fixed word of ours, such as `head_size`, never anything that a client sent."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        """The name of a limit -> how often it was met since the start."""
        self._logged: dict[str, float] = {}
        """The name of a limit -> when a log line about it was last due."""

    def hit(self, name: str, now: float) -> bool:
        """Count that a limit was met. True if a log line about it is due at `now`, in seconds of any clock
        that never goes back."""
        self.counts[name] += 1
        logged = self._logged.get(name)
        if logged is not None and now - logged < LOG_INTERVAL:
            return False
        self._logged[name] = now
        return True


meter = Meter()
"""This process's."""
