from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from collections.abc import Sequence

import pytest

from claude_route.proxy.upstream import resolver
from tests import clocks


class Names:
    """A system's resolver, which is slow while `gate` is shut."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, host: str, port: int) -> Sequence[resolver.AddressInfo]:
        with self.lock:
            self.asked.append((host, port))
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            assert self.gate.wait(10)
            if self.fails:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{len(self.asked)}", port))
            ]
        finally:
            with self.lock:
                self.running -= 1


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def resolving(names: Names, time: clocks.Timers) -> Iterator[resolver.Resolver]:
    made = resolver.Resolver(time, ask=names, lifetime=60)
    yield made
    names.gate.set()


async def test_answers_count_for_a_while(
    resolving: resolver.Resolver, names: Names, time: clocks.Timers
) -> None:
    first = await resolving.resolve("a", 80)
    time.advance(59)
    assert await resolving.resolve("a", 80) is first
    time.advance(1)
    assert await resolving.resolve("a", 80) != first
    assert names.asked == [("a", 80)] * 2


async def test_what_could_not_be_reached_is_looked_up_again(
    resolving: resolver.Resolver, names: Names
) -> None:
    await resolving.resolve("a", 80)
    resolving.forget("a", 80)
    resolving.forget("b", 80)
    await resolving.resolve("a", 80)
    assert len(names.asked) == 2


async def test_failures_are_not_remembered(resolving: resolver.Resolver, names: Names) -> None:
    names.fails = True
    with pytest.raises(OSError, match="no such name"):
        await resolving.resolve("a", 80)
    names.fails = False
    assert await resolving.resolve("a", 80)


async def test_who_asks_for_the_same_waits_for_the_same(
    resolving: resolver.Resolver, names: Names
) -> None:
    names.gate.clear()
    tasks = [asyncio.create_task(resolving.resolve("a", 80)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    names.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert names.asked == [("a", 80)]
    assert all(answer == answers[1] for answer in answers[1:])


async def test_names_that_hang_delay_no_other(resolving: resolver.Resolver, names: Names) -> None:
    names.gate.clear()
    tasks = [asyncio.create_task(resolving.resolve(f"host{i}", 80)) for i in range(50)]
    await asyncio.sleep(0)
    names.gate = threading.Event()
    names.gate.set()
    assert await resolving.resolve("other", 80)
    for task in tasks:
        task.cancel()


async def test_there_is_an_end_to_it(
    resolving: resolver.Resolver, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MOST", 3)
    names.gate.clear()
    tasks = [asyncio.create_task(resolving.resolve(f"host{i}", 80)) for i in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="too many names"):
        await resolving.resolve("other", 80)
    names.gate.set()
    await asyncio.gather(*tasks)
    assert await resolving.resolve("other", 80)


async def test_few_answers_are_kept(
    resolving: resolver.Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MAX_NAMES", 3)
    for host in "abcde":
        await resolving.resolve(host, 80)
    assert [host for host, _ in resolving._answers] == ["c", "d", "e"]


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", ("127.0.0.1", 80)), ("::1", ("::1", 80, 0, 0))],
)
async def test_addresses_need_no_lookup(
    resolving: resolver.Resolver, names: Names, host: str, address: tuple[object, ...]
) -> None:
    assert [info[4] for info in await resolving.resolve(host, 80)] == [address]
    assert names.asked == []


async def test_the_system_is_asked_in_the_end() -> None:
    assert {info[4][0] for info in resolver.lookup("localhost", 80)} <= {"127.0.0.1", "::1"}
    assert resolver.numeric("fe80::1%lo", 80) is None
