"""Keeps quotes of unreadable headers out of the log.

Filters: five messages of the logger `mitmproxy.proxy.server`.
Why: mitmproxy quotes headers in its log if it can't parse them or they arrive incomplete. They may
contain credentials, and no hook has hidden them.
Remove when: mitmproxy logs the length of such headers instead of their text.
Upstream: none that we know of.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

LOGGER = "mitmproxy.proxy.server"

QUOTED = re.compile(
    r"(before completing request headers"
    r"|Invalid header line"
    r"|Bad HTTP request line"
    r"|Bad HTTP response line"
    r"|Unexpected data from server"
    r"): .+",
    re.DOTALL,
)


def install() -> Callable[[], None]:
    """Filter everything that the proxy core logs from now on. Returns a callable that undoes it."""
    logger = logging.getLogger(LOGGER)
    logger.addFilter(shorten)
    return lambda: logger.removeFilter(shorten)


def shorten(record: logging.LogRecord) -> bool:
    record.msg = without_quotes(str(record.msg))
    return True


def without_quotes(message: str) -> str:
    return QUOTED.sub(r"\1", message)
