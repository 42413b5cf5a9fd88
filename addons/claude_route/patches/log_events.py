"""Has log records made into events only where an addon wants them.

Replaces: `log.LegacyLogEvents.emit`.
Why: for each record, whatever its level, mitmproxy writes its text and wakes the event loop up, which looks for
the deprecated hook `add_log` in each of some fifty addons. None of mitmproxy's own has it. A connection
has three records.
Upstream: none that we know of.
Remove when: mitmproxy has no hook `add_log` any more.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from mitmproxy import log

from claude_route.patches import hooktable

_EVENT = log.AddLogHook(log.LogEntry("", "info"))


def install() -> Callable[[], None]:
    """For every record from now on; the callable undoes it."""
    handler: Any = log.LegacyLogEvents
    stock = handler.emit

    @functools.wraps(stock)
    def emit(self: log.LegacyLogEvents, record: logging.LogRecord) -> None:
        if hooktable.has(self.master, _EVENT):
            stock(self, record)

    def uninstall() -> None:
        handler.emit = stock

    handler.emit = emit
    return uninstall
