from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import pytest

from claude_route.ledger import writer
from claude_route.proxy import records
from tests.unit.ledger.examples import record

PATIENCE = 20.0


class GoneError(Exception):
    """What the store says when it is gone."""


class Store:
    """In memory. `fails` is what writing raises; `refuses` are models that it doesn't take."""

    def __init__(self) -> None:
        self.written: list[records.Record] = []
        self.batches: list[int] = []
        self.pruned: list[float] = []
        self.fails: Exception | None = None
        self.refuses: set[str] = set()
        self.threads: set[str] = set()
        self.is_closed = False

    def write(self, batch: Sequence[records.Record]) -> list[records.Record]:
        self.threads.add(threading.current_thread().name)
        if self.fails:
            raise self.fails
        self.batches.append(len(batch))
        self.written += [each for each in batch if each.model not in self.refuses]
        return [each for each in batch if each.model in self.refuses]

    def prune(self, before: float) -> int:
        self.pruned.append(before)
        return 0

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(writer, "INTERVAL", 0.01)
    monkeypatch.setattr(writer, "RETRIES", (0.01,))
    return Store()


@pytest.fixture
def start(store: Store) -> Iterator[Callable[..., writer.Writer]]:
    started: list[writer.Writer] = []

    def start(days: int = 30) -> writer.Writer:
        started.append(
            writer.Writer(
                lambda: store,
                lambda error: isinstance(error, GoneError),
                "a.db",
                days,
                clock=lambda: 1e9,
            )
        )
        return started[-1]

    yield start
    for each in started:
        each.stop(PATIENCE)


def test_it_writes_in_its_own_thread(store: Store, start: Callable[..., writer.Writer]) -> None:
    made = start()
    batch = [record() for _ in range(5)]
    for each in batch:
        made.put(each)
    assert made.flush(PATIENCE)
    assert store.written == batch
    assert store.threads == {"ledger"}
    assert made.waiting == 0


def test_large_amounts_come_in_batches(
    store: Store, start: Callable[..., writer.Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH", 10)
    made = start()
    for _ in range(35):
        made.put(record())
    assert made.flush(PATIENCE)
    assert len(store.written) == 35
    assert max(store.batches) <= 10


def test_the_end_writes_the_rest(store: Store, start: Callable[..., writer.Writer]) -> None:
    made = start()
    made.put(record())
    made.stop(PATIENCE)
    assert len(store.written) == 1
    assert store.is_closed


def test_the_end_writes_what_came_while_the_store_was_opened(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def prune(before: float) -> int:
        opening.set()
        go_on.wait(PATIENCE)
        return 0

    monkeypatch.setattr(store, "prune", prune)
    made = writer.Writer(lambda: store, lambda error: False, "a.db", 30, clock=lambda: 1e9)
    assert opening.wait(PATIENCE)
    made.put(record())
    made.stop(0)
    go_on.set()
    made.stop(PATIENCE)
    assert len(store.written) == 1


def test_a_store_that_is_gone(
    store: Store, start: Callable[..., writer.Writer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.fails = GoneError("no route to it")
    made = start()
    first = record()
    made.put(first)
    for _ in range(3):
        assert not made.flush(0.05)
    store.fails = None
    second = record()
    made.put(second)
    assert made.flush(PATIENCE)
    assert store.written == [first, second]
    made.stop(PATIENCE)
    assert [line.partition(":")[0] for line in caplog.messages] == [
        "Ledger a.db can't be written",
        "Ledger a.db is written again",
    ]


def test_the_store_is_opened_before_it_is_needed(
    store: Store, start: Callable[..., writer.Writer]
) -> None:
    start().stop(PATIENCE)
    assert store.pruned
    assert store.is_closed


def test_memory_is_bounded(
    store: Store,
    start: Callable[..., writer.Writer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(writer, "MOST", 3)
    store.fails = GoneError()
    made = start()
    batch = [record() for _ in range(5)]
    for each in batch:
        made.put(each)
    assert not made.flush(0.05)
    assert (made.waiting, made.lost) == (3, 2)
    store.fails = None
    assert made.flush(PATIENCE)
    made.stop(PATIENCE)
    assert store.written == batch[2:], "the oldest are given up"
    assert "Ledger a.db is written again without 2 requests" in caplog.messages


def test_what_is_left_at_the_end_is_said(
    store: Store, start: Callable[..., writer.Writer], caplog: pytest.LogCaptureFixture
) -> None:
    store.fails = GoneError()
    made = start()
    made.put(record())
    made.stop(PATIENCE)
    assert "Ledger a.db: 1 request could not be written, and is lost" in caplog.messages


def test_what_the_store_refuses_is_said_once_a_batch(
    store: Store, start: Callable[..., writer.Writer], caplog: pytest.LogCaptureFixture
) -> None:
    store.refuses.add("odd")
    made = start()
    made.put(record(model="odd"))
    made.put(record())
    assert made.flush(PATIENCE)
    assert [each.model for each in store.written] == ["glm"]
    assert any("takes no record" in line for line in caplog.messages)


def test_a_mistake_of_ours_is_logged_with_its_traceback_and_stops_nothing(
    store: Store, start: Callable[..., writer.Writer], caplog: pytest.LogCaptureFixture
) -> None:
    store.fails = TypeError("a mistake")
    made = start()
    made.put(record())
    assert not made.flush(0.05)
    assert any(line.exc_info for line in caplog.records)
    store.fails = None
    assert made.flush(PATIENCE)


def test_old_requests_are_deleted(store: Store, start: Callable[..., writer.Writer]) -> None:
    made = start(days=30)
    for _ in range(3):
        made.put(record())
        assert made.flush(PATIENCE)
    made.stop(PATIENCE)
    assert store.pruned == [1e9 - 30 * 86400], "once an hour"
