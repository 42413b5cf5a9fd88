from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from claude_route.proxy.upstream import lookups

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))]


class Names:
    """A system's resolver, for which names with `silent` in them hang."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()

    def __call__(self, host: str, *how: Any) -> list[Any]:
        self.asked.append(host)
        if "silent" in host:
            assert self.gate.wait(10)
        if "absent" in host:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return ANSWER


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    yield names
    names.gate.set()


class Asking:
    source: str | None = "10.0.0.9"
    refused = 0

    def refuse(self) -> None:
        self.refused += 1


async def hang(made: lookups.Lookups, count: int) -> list[asyncio.Task[Any]]:
    tasks = [
        asyncio.create_task(made.getaddrinfo(f"silent{number}", 80)) for number in range(count)
    ]
    await asyncio.sleep(0)
    return tasks


async def test_names_that_hang_delay_no_other(names: Names) -> None:
    made = lookups.Lookups(ask=names)
    tasks = await hang(made, 100)
    assert await made.getaddrinfo("other", 80) == ANSWER
    names.gate.set()
    assert await asyncio.gather(*tasks) == [ANSWER] * 100


async def test_the_same_is_looked_up_once(names: Names) -> None:
    made = lookups.Lookups(ask=names)
    tasks = [asyncio.create_task(made.getaddrinfo("silent", 80)) for _ in range(5)]
    other = asyncio.create_task(made.getaddrinfo("silent", 81))
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    names.gate.set()
    assert await asyncio.gather(*tasks[1:], other) == [ANSWER] * 5
    assert names.asked == ["silent", "silent"]


async def test_nobody_waits_for_ever(names: Names) -> None:
    made = lookups.Lookups(ask=names, seconds=0.01)
    with pytest.raises(socket.gaierror, match="no name server answers"):
        await made.getaddrinfo("silent", 80)


async def test_failures(names: Names) -> None:
    made = lookups.Lookups(ask=names)
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="no such name"):
            await made.getaddrinfo("absent", 80)
    assert len(names.asked) == 2


async def test_one_client_can_not_take_all(names: Names) -> None:
    asking = Asking()
    made = lookups.Lookups(
        ask=names,
        source=lambda: asking.source,
        refused=asking.refuse,
        most=5,
        most_for_one=lambda: 3,
    )
    tasks = await hang(made, 3)
    with pytest.raises(socket.gaierror, match="too many names"):
        await made.getaddrinfo("other", 80)
    assert asking.refused == 1
    asking.source = "10.0.0.10"
    assert await made.getaddrinfo("other", 80) == ANSWER
    asking.source = None
    assert await made.getaddrinfo("other", 80) == ANSWER
    names.gate.set()
    await asyncio.gather(*tasks)
    asking.source = "10.0.0.9"
    assert await made.getaddrinfo("other", 80) == ANSWER


async def test_all_together_can_not_take_more(names: Names) -> None:
    made = lookups.Lookups(ask=names, most=2)
    tasks = await hang(made, 2)
    with pytest.raises(socket.gaierror, match="too many names"):
        await made.getaddrinfo("other", 80)
    for task in tasks:
        task.cancel()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", b"127.0.0.1", None])
async def test_addresses_need_none(host: Any) -> None:
    made = lookups.Lookups(most=0)
    (first, *_) = await made.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    assert first[4][1] == 80


async def test_a_thread_that_ends_after_its_loop(names: Names) -> None:
    def ask() -> None:
        asyncio.run(begin())

    async def begin() -> None:
        lookups.in_thread(names, "silent")

    await asyncio.get_running_loop().run_in_executor(None, ask)
    names.gate.set()


async def test_a_cancelled_one_is_left_alone(names: Names) -> None:
    future = lookups.in_thread(names, "silent")
    future.cancel()
    names.gate.set()
    assert await lookups.in_thread(names, "other") == ANSWER
