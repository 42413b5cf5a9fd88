"""Keeps quotes of unreadable headers out of the log.

Filters: messages of the loggers `mitmproxy.proxy.server` and `mitmproxy.addons.next_layer`.
Why: mitmproxy quotes headers in its log if it can't parse them or they arrive incomplete. They may
contain credentials, and no hook has hidden them.
Remove when: mitmproxy logs the length of such headers instead of their text.
Upstream: none that we know of.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

LOGGERS = ("mitmproxy.proxy.server", "mitmproxy.addons.next_layer")

QUOTED = re.compile(
    r"(before completing request headers"
    r"|Invalid header line"
    r"|Bad HTTP request line"
    r"|Bad HTTP response line"
    r"|Unexpected data from server"
    r"|Deferring layer decision, not enough data"
    r"|Received WebSocket \w+ from \w+ [(]payload"
    r"): .+",
    re.DOTALL,
)


def install() -> Callable[[], None]:
    """Filter everything that the proxy core logs from now on. Returns a callable that undoes it."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addFilter(shorten)

    def undo() -> None:
        for logger in loggers:
            logger.removeFilter(shorten)

    return undo


def shorten(record: logging.LogRecord) -> bool:
    record.msg = without_quotes(str(record.msg))
    return True


def without_quotes(message: str) -> str:
    return QUOTED.sub(lambda match: match[1].removesuffix(" (payload"), message)
