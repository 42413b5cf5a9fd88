"""How the time for something grows with its size, on a machine of any speed that may be busy."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TIMES = 4
"""How much larger the second size is."""

LINEAR = 10.0
"""Above what grows linearly, TIMES, and below what grows with the square, 16."""

ATTEMPTS = 5
"""What grows with the square does so each time. What is linear may seem not to while other programs take its caches."""

LEAST = 0.002
"""Seconds. What takes less shows nothing but noise."""


def of(work: Callable[[int], object], size: int) -> float:
    """How many times as long it takes for TIMES the size; 0 if that takes less than LEAST, or next to nothing
    for the first size.

    By the processor time of this thread, the least of three, and measured again where that isn't LINEAR.
    """
    growth = 0.0
    for _ in range(ATTEMPTS):
        small, large = least(work, size), least(work, TIMES * size)
        growth = large / small if large > LEAST and small > LEAST / 100 else 0.0
        if growth < LINEAR:
            break
    return growth


def least(work: Callable[[int], object], size: int) -> float:
    """Seconds, for one size."""
    return min(took(lambda: work(size)) for _ in range(3))


def took(work: Callable[[], object]) -> float:
    """Seconds of this thread's processor time, without a collection of garbage that may be due."""
    gc.disable()
    try:
        began = time.thread_time()
        work()
        return time.thread_time() - began
    finally:
        gc.enable()
