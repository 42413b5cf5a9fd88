from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

import pytest

from claude_route.access import turns


class Line:
    """A queue in which everybody has a letter, and whoever had a turn is charged for it."""

    def __init__(self) -> None:
        self.queue = turns.Queue()
        self.shares: dict[str, turns.Share] = {}
        self.names: dict[turns.Turn, str] = {}
        self._loop = asyncio.get_running_loop()

    def join(self, names: str) -> list[turns.Turn]:
        made = []
        for name in names:
            turn = self._loop.create_future()
            self.names[turn] = name
            self.queue.join(self.share(name), turn)
            made.append(turn)
        return made

    def share(self, name: str) -> turns.Share:
        return self.shares.setdefault(name, turns.Share())

    def next(self, sizes: Mapping[str, int] | None = None) -> str:
        name = self.names[self.queue.next()]
        self.queue.charge(self.share(name), (sizes or {}).get(name, 0))
        return name

    def all(self, sizes: Mapping[str, int] | None = None) -> str:
        order = ""
        while self.queue:
            order += self.next(sizes)
        return order


@pytest.mark.parametrize(
    ("waiting", "sizes", "order"),
    [
        pytest.param("aaa", {}, "aaa", id="alone"),
        pytest.param("abc", {}, "abc", id="as they come"),
        pytest.param("aaaab", {}, "abaaa", id="one among many"),
        pytest.param("aaabbbc", {}, "abcabab", id="in turn"),
        pytest.param("aaabbb", {"a": 2 * turns.PIECE}, "abbbaa", id="large pieces cost more"),
    ],
)
async def test_whoever_had_least_comes_next(
    waiting: str, sizes: Mapping[str, int], order: str
) -> None:
    line = Line()
    line.join(waiting)
    assert line.all(sizes) == order


async def test_a_client_of_whom_little_comes_never_waits_behind_one_that_floods() -> None:
    line = Line()
    line.join("a" * 16)
    behind = 0
    for _ in range(100):
        for _ in range(5):
            line.join(line.next())
        line.join("b")
        while line.next() != "b":
            behind += 1
            line.join("a")
        line.join("a")
    assert behind <= 1


async def test_nobody_saves_turns_for_later() -> None:
    line = Line()
    line.join("b")
    line.next()
    line.join("a" * 50)
    line.all()
    line.join("aaaabbbb")
    assert line.all() == "abababab"


async def test_nobody_waits_forever_for_ever_new_clients() -> None:
    line = Line()
    line.share("z").used = 20.0
    line.join("z")
    line.join("abcdefgh")
    for number in range(1000):
        line.join(chr(1000 + number))
        if line.next() == "z":
            return
    pytest.fail("it still waits")


async def test_whoever_is_gone_waits_no_longer() -> None:
    line = Line()
    _, gone, _, alone = line.join("aaab")
    line.queue.leave(line.share("a"), gone)
    line.queue.leave(line.share("b"), alone)
    line.queue.leave(line.share("b"), alone)
    assert line.all() == "aa"


class Reads:
    """Reads of clients, at a time that a test sets, and the pass of the event loop in which each comes to an end."""

    def __init__(self) -> None:
        self.work = 0.0
        self.turns = turns.Turns(lambda: self.work)
        self.passes: dict[int, int] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.now = 0.0
        self._pass = 0

    def begin(self, count: int, share: turns.Share, *, seconds: float = 0.0) -> None:
        """Each takes so many seconds."""

        async def read(number: int) -> None:
            if not self.turns.is_free(self.now):
                await self.turns.wait(share)
            self.turns.charge(share, 100)
            self.now += seconds
            self.passes[number] = self._pass

        self.tasks += [
            asyncio.create_task(read(len(self.tasks) + number)) for number in range(count)
        ]

    async def pass_by(self) -> None:
        await asyncio.sleep(0)
        self._pass += 1

    async def end(self) -> None:
        while not all(task.done() for task in self.tasks):
            await self.pass_by()


async def test_nobody_waits_where_there_is_time() -> None:
    reads = Reads()
    reads.begin(100, turns.Share())
    await reads.pass_by()
    assert len(reads.passes) == 100


async def test_what_takes_long_is_spread_over_passes_of_the_loop() -> None:
    reads = Reads()
    reads.begin(20, turns.Share(), seconds=turns.TURN / 3)
    await reads.pass_by()
    assert list(reads.passes) == [0, 1, 2]
    # Others come in each pass: there are no more turns for that.
    for _ in range(3):
        reads.begin(2, turns.Share(), seconds=turns.TURN / 3)
        await reads.pass_by()
    await reads.end()
    later = [at for at in reads.passes.values() if at]
    assert max(map(later.count, later)) == turns.IN_ONE_PASS


async def test_where_there_are_several_clients_one_comes_after_the_other() -> None:
    reads = Reads()
    flood, other = reads.turns.share("flood"), reads.turns.share("other")
    reads.turns.sees(flood, reads.now)
    reads.turns.sees(other, reads.now)
    reads.begin(20, flood, seconds=turns.TURN)
    await reads.pass_by()
    reads.begin(1, other, seconds=turns.TURN)
    await reads.end()
    order = sorted(reads.passes, key=lambda number: reads.passes[number])
    assert order.index(20) <= 2
    later = sorted(at for at in reads.passes.values() if at)
    assert {after - before for before, after in itertools.pairwise(later)} == {turns.BETWEEN + 1}


async def test_a_loop_with_much_to_do_keeps_nobody_waiting_for_passes() -> None:
    reads = Reads()
    flood = reads.turns.share("flood")
    reads.turns.sees(reads.turns.share("other"), reads.now)
    reads.turns.sees(flood, reads.now)
    reads.begin(20, flood, seconds=turns.TURN)
    while not all(task.done() for task in reads.tasks):
        await reads.pass_by()
        reads.work += turns.LONGEST_BETWEEN / 2
    assert max(reads.passes.values()) <= 20 * 2 + 2


async def test_another_client_is_forgotten_after_a_while() -> None:
    reads = Reads()
    flood = reads.turns.share("flood")
    reads.turns.sees(reads.turns.share("other"), reads.now)
    reads.turns.sees(flood, reads.now)
    reads.now = turns.MEMORY + 1
    reads.turns.sees(flood, reads.now)
    reads.begin(20, flood, seconds=turns.TURN)
    await reads.end()
    assert max(reads.passes.values()) <= 20 / turns.IN_ONE_PASS + 2


async def test_a_client_that_leaves_gives_its_turn_to_others() -> None:
    reads = Reads()
    share = turns.Share()
    reads.begin(10, share, seconds=turns.TURN)
    await reads.pass_by()
    for task in reads.tasks[1:]:
        task.cancel()
    await reads.pass_by()
    assert not share.waiting
    reads.begin(1, share)
    await reads.end()
    assert set(reads.passes) == {0, 10}


def test_a_name_has_one_share() -> None:
    made = turns.Turns()
    assert made.share("a") is made.share("a")
    assert made.share("a") is not made.share("b")


@pytest.mark.parametrize(
    ("clients", "work", "rest"),
    [
        pytest.param(1, [0.3], 0.0, id="alone"),
        pytest.param(2, [0.3], 0.3 * turns.REST, id="among others"),
        pytest.param(2, [0.1, 0.2], 0.3 * turns.REST, id="all of it counts"),
        pytest.param(2, [60.0], turns.LONGEST_REST, id="not forever"),
    ],
)
def test_large_bodies_of_a_client_leave_time_to_others(
    clients: int, work: list[float], rest: float
) -> None:
    made = turns.Turns()
    share = made.share("0")
    for number in range(clients):
        made.sees(made.share(str(number)), 100.0)
    for seconds in work:
        made.worked(share, seconds, 100.0)
    assert share.rests_until == pytest.approx(100.0 + rest if rest else 0.0)
