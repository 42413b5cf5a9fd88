"""Lets other threads run while a page is made.

Python itself switches threads after 5 ms only, so that each event of each stream would wait that long for as long
as a page is made.
"""

from __future__ import annotations

import threading
import time

SLICE = 0.001
"""Seconds of processor time that may pass without a pause."""

PAUSE = 0.0002
"""Seconds: enough for a thread that waits to go on."""

_began = threading.local()


def take() -> None:
    """Pause, if it is time. Costs half a microsecond if it isn't."""
    now = time.thread_time()
    if now - getattr(_began, "at", 0.0) > SLICE:
        time.sleep(PAUSE)
        _began.at = time.thread_time()
