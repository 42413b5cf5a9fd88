"""Keeps out of the log what mitmproxy quotes there of a head that it could not read, or that never
came whole: credentials may stand in it, and no hook has seen it.
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
    """For all that the proxy core logs from now on; the callable undoes it."""
    logger = logging.getLogger(LOGGER)
    logger.addFilter(shorten)
    return lambda: logger.removeFilter(shorten)


def shorten(record: logging.LogRecord) -> bool:
    record.msg = without_quotes(str(record.msg))
    return True


def without_quotes(message: str) -> str:
    return QUOTED.sub(r"\1", message)
