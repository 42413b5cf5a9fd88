"""In which order turns came, so that others can ask for those that they lack."""

from __future__ import annotations

import itertools
from collections import OrderedDict

MAX_FLOWS = 20_000
"""Beyond it, the oldest are forgotten: what a book keeps is far less."""


class Journal:
    def __init__(self, max_flows: int = MAX_FLOWS) -> None:
        self._max_flows = max_flows
        self._flows: OrderedDict[str, None] = OrderedDict()
        self.count = 0
        """How many have come so far."""

    def add(self, flow: str) -> None:
        self._flows.pop(flow, None)
        self._flows[flow] = None
        self.count += 1
        if len(self._flows) > self._max_flows:
            self._flows.popitem(last=False)

    def has(self, flow: str) -> bool:
        """Whether it has come, even if its turn was dropped since."""
        return flow in self._flows

    def since(self, count: int) -> list[str]:
        """What came after the first `count`, in order. Perhaps a few more, if turns were replaced."""
        number = max(0, min(self.count - count, len(self._flows)))
        return list(itertools.islice(reversed(self._flows), number))[::-1]
