"""Keeps Ctrl-C quiet while requests are in flight.

Filters: one message of the logger `asyncio`.
Why: at its end mitmproxy cancels what still runs. For each client connection Python 3.12.1 then logs a
traceback, because it asks a cancelled task for its exception.
Remove when: we need Python 3.12.2, which asks `task.cancelled()` first.
Upstream: https://github.com/python/cpython/issues/113538
"""

from __future__ import annotations

import asyncio
import logging

LOGGER = "asyncio"


def install() -> None:
    """Never undone: the message comes after the last hook."""
    logging.getLogger(LOGGER).addFilter(is_of_interest)


def is_of_interest(record: logging.LogRecord) -> bool:
    """Whether a record is about anything else than a task that was cancelled."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
