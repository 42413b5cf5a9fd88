"""Where work that may take long is done: at once, or in a thread beside the event loop.

Reading a body of 32 MB takes up to a second, in which no other client would get a byte. What decides
about a request is therefore a generator: it yields each function that may take long, gets its result, and
does the rest, which touches what all requests share, on the event loop.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from collections.abc import Generator
from concurrent import futures
from typing import Any

type Work[T] = Generator[Callable[[], Any], Any, T]
"""Yields functions that depend on nothing that others change, and returns what they come to."""


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
    """Call a function in the thread."""
    return await asyncio.get_running_loop().run_in_executor(_thread("bodies"), function)


def behind[T](function: Callable[[], T]) -> futures.Future[T]:
    """Call a function that nobody waits for, in another thread. It should leave the interpreter to others now and
    then."""
    return _thread("summaries").submit(function)


@functools.cache
def _thread(name: str) -> futures.ThreadPoolExecutor:
    # One: with more, the event loop would get a smaller share of the interpreter. Not asyncio's own
    # threads, in which names are looked up.
    return futures.ThreadPoolExecutor(1, thread_name_prefix=name)
