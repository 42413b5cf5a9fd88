from __future__ import annotations

import asyncio
import functools
import platform
import threading
import time
from collections.abc import Awaitable
from collections.abc import Callable

import pytest

from claude_route.access import places
from claude_route.proxy import work


def steps(threads: list[str]) -> work.Work[list[object]]:
    def named(value: object) -> object:
        threads.append(threading.current_thread().name)
        if isinstance(value, Exception):
            raise value
        return value

    done = [(yield functools.partial(named, 1))]
    try:
        yield functools.partial(named, ValueError("no"))
    except ValueError as e:
        done.append(str(e))
    threads.append(threading.current_thread().name)
    done.append((yield functools.partial(named, 2)))
    return done


def nothing() -> work.Work[str]:
    yield from ()
    return "done"


async def at_once[T](made: work.Work[T]) -> T:
    return work.here(made)


@pytest.mark.parametrize(
    ("run", "thread"), [(at_once, "MainThread"), (work.beside, "bodies_0")], ids=["here", "beside"]
)
async def test_where_it_runs(
    run: Callable[[work.Work[object]], Awaitable[object]], thread: str
) -> None:
    threads: list[str] = []
    assert await run(steps(threads)) == [1, "no", 2]
    assert threads == [thread, thread, "MainThread", thread]
    assert await run(nothing()) == "done"


@pytest.mark.parametrize("run", [at_once, work.beside])
async def test_what_nobody_expects_is_raised(
    run: Callable[[work.Work[object]], Awaitable[object]],
) -> None:
    def failing() -> work.Work[object]:
        return (yield functools.partial(int, "x"))

    with pytest.raises(ValueError, match="invalid literal"):
        await run(failing())


async def test_memory_is_given_back_some_time_after(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed = threading.Event()
    times: list[int] = []

    def trim() -> None:
        times.append(1)
        trimmed.set()

    monkeypatch.setattr(work, "trim", trim)
    monkeypatch.setattr(work, "TRIM", 0.0)
    await work.aside(int)
    await asyncio.to_thread(trimmed.wait, 30)
    assert times == [1]


def test_trim() -> None:
    assert work.trim() is (platform.libc_ver()[0] == "glibc")


async def test_what_is_done_beside_counts_for_its_client() -> None:
    table = places.Table()
    place = table.enter("192.0.2.1", 5, lambda: None, 0.0)
    assert isinstance(place, places.Place)
    place.serves("other", time.monotonic())
    place.serves("alice", time.monotonic())
    places.current.set(place)
    await work.aside(lambda: sum(range(100_000)))
    assert place.share.rests_until > 0
    assert table.turns.share("other").rests_until == 0
