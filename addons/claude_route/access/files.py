"""How many files this process may open: each connection is one."""

from __future__ import annotations

import importlib
import sys

ENOUGH = 2**20
"""Files. A higher limit is of no use, and some systems have no limit at all."""

FOR_UPSTREAMS = 0.1
"""The part of the files that clients don't get: a request that was accepted must reach its upstream."""

AT_ONCE = 200
"""Connections that asyncio accepts, at two listeners, before we hear of the first of them. They are kept
from other clients, too, in so far as the limit isn't lower still."""


def raise_limit() -> int:
    """Raise the limit of open files as far as this process may, and return it."""
    if sys.platform == "win32":
        return ENOUGH
    # Windows has no such module.
    resource = importlib.import_module("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ENOUGH if soft == resource.RLIM_INFINITY else min(int(soft), ENOUGH)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # macOS refuses more than kern.maxfilesperproc, whatever the hard limit is.
        return int(soft)
    return int(wanted)


def for_clients(limit: int) -> int:
    """How many files may be open when a client is accepted."""
    return limit - int(limit * FOR_UPSTREAMS) - min(AT_ONCE, limit // 4)
