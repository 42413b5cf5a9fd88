"""Where work that may take long is done: at once, or in a thread beside the event loop.

Reading a body of 32 MB takes up to a second, in which no other client would get a byte. What decides
about a request is therefore a generator: it yields each function that may take long, gets its result, and
does the rest, which touches what all requests share, on the event loop.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import sys
import time
import weakref
from collections.abc import Callable
from collections.abc import Generator
from concurrent import futures
from typing import Any

from claude_route.access import places

type Work[T] = Generator[Callable[[], Any], Any, T]
"""Yields functions that depend on nothing that others change, and returns what they come to."""


SWITCH = 0.0005
"""Seconds after which a thread that computes gives the interpreter to the event loop. Each time that the loop has read or
written it has to wait for it, some ten times a request; Python's own 5 ms are meant for threads that compute only."""

TRIM = 5.0
"""Seconds after which the memory that large bodies have left is given back to the system."""

_due: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, float] = weakref.WeakKeyDictionary()
"""The time of each event loop's next, or last."""


def here[T](work: Work[T]) -> T:
    """Do all of it now."""
    try:
        function = next(work)
        while True:
            try:
                result = function()
            except Exception as e:
                function = work.throw(e)
            else:
                function = work.send(result)
    except StopIteration as end:
        done: T = end.value
        return done


async def beside[T](work: Work[T]) -> T:
    """Do what it yields in the thread, one request after the other, and the rest on the event loop."""
    try:
        function = next(work)
        while True:
            try:
                result = await aside(function)
            except Exception as e:
                function = work.throw(e)
            else:
                function = work.send(result)
    except StopIteration as end:
        done: T = end.value
        return done


async def aside[T](function: Callable[[], T]) -> T:
    """Call a function in the thread. What it takes counts for the client whose connection the current task serves."""
    loop = asyncio.get_running_loop()
    seconds = 0.0

    def timed() -> T:
        nonlocal seconds
        began = time.thread_time()
        try:
            return function()
        finally:
            seconds = time.thread_time() - began

    try:
        return await loop.run_in_executor(_thread("bodies"), timed)
    finally:
        if place := places.current.get(None):
            place.worked(seconds, time.monotonic())
        _trim_later(loop)


def behind[T](function: Callable[[], T]) -> futures.Future[T]:
    """Call a function that nobody waits for, in another thread. It should leave the interpreter to others now and
    then."""
    return _thread("summaries").submit(function)


def _trim_later(loop: asyncio.AbstractEventLoop) -> None:
    if _due.get(loop, 0.0) <= loop.time():
        _due[loop] = loop.call_later(TRIM, behind, trim).when()


def trim() -> bool:
    """Give memory that is free back to the system. False where only the C library decides about that.

    glibc keeps what is free between what is in use: after some bodies of 32 MB, more than a hundred megabytes.
    The call lets other threads go on.
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    malloc_trim(0)
    return True


@functools.cache
def _thread(name: str) -> futures.ThreadPoolExecutor:
    sys.setswitchinterval(SWITCH)
    # One: with more, the event loop would get a smaller share of the interpreter. Not asyncio's own
    # threads, in which names are looked up.
    return futures.ThreadPoolExecutor(1, thread_name_prefix=name)
