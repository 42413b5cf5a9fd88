from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_route.dialects import usage
from claude_route.ledger import database
from claude_route.ledger import reports
from claude_route.pricing import prices
from claude_route.proxy import records
from tests.unit.ledger import examples
from tests.unit.ledger.examples import record
from tests.wire import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    running = postgres.Postgres()
    yield running
    running.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=postgres.needs_postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[database.Database]:
    if request.param == "sqlite":
        made = database.Database(f"sqlite:///{tmp_path / 'deep' / 'er' / 'ledger.db'}")
    else:
        made = database.Database(request.getfixturevalue("server").url)
        made.prune(float("inf"))
    yield made
    made.close()


ALL = reports.Query(("model",), 0, 2e9)


def test_days_of_a_client(store: database.Database) -> None:
    unknown = prices.Cost(None, 0.5, "unknown")
    store.write(
        [
            record(at=examples.AT - 86400, cost=unknown),
            record(),
            record(at=examples.AT + 1),
            record(at=examples.AT + 2),
            record(client="bob"),
        ]
    )
    days = store.days("alice", examples.AT - 90_000, examples.AT + 2)
    # Those of which no price is known are charged too.
    assert sorted(days) == [
        database.Day("2026-11-27", 500_000_000, 100),
        database.Day("2026-11-28", 3000, 200),
    ]
    assert store.days("carol", 0, 2e9) == []


def test_sums(store: database.Database) -> None:
    unknown = prices.Cost(None, 0.5, "unknown")
    store.write(
        [
            *(record() for _ in range(3)),
            record(
                model="opus", error="api_error", status=500, cost=records.FREE, usage=usage.NONE
            ),
            record(model="opus", cost=unknown, usage=usage.Usage(2**40, 2**41)),
        ]
    )
    report = store.report(ALL)
    assert report.rows == [
        reports.Row(("glm",), 3, 0, 30, 60, 90, 120, 4500, 0),
        reports.Row(("opus",), 2, 1, 2**40, 2**41, 0, 0, 0, 1),
    ]
    assert report.total == reports.Row((), 5, 1, 30 + 2**40, 60 + 2**41, 90, 120, 4500, 1)
    assert not report.is_cut


def test_money_adds_up_exactly(store: database.Database) -> None:
    cent = prices.Cost(0.1, 0.1, "list")
    store.write([record(cost=cent) for _ in range(1000)])
    assert store.report(ALL).total.dollars == 100


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        (("day", "client"), [("2026-11-27", "bob"), ("2026-11-28", "alice")]),
        (("hour",), [("2026-11-27T12",), ("2026-11-28T12",)]),
        (("token", "status"), [("3", "200"), ("", "200")]),
        (("session", "agent", "target", "kind"), None),
    ],
)
def test_by(
    store: database.Database, by: tuple[str, ...], keys: list[tuple[str, ...]] | None
) -> None:
    dear = prices.Cost(1.0, 1.0, "list")
    store.write([record(), record(at=examples.AT - 86400, client="bob", token=3, cost=dear)])
    report = store.report(ALL._replace(by=by))
    if keys is not None:
        assert [row.key for row in report.rows] == keys


def test_one_client_and_a_period(store: database.Database) -> None:
    store.write([record(), record(client="bob"), record(at=examples.AT + 100)])
    assert store.report(ALL._replace(client="alice")).total.requests == 2
    assert store.report(ALL._replace(client="' OR 1=1 --")).total.requests == 0
    assert store.report(ALL._replace(until=examples.AT + 100)).total.requests == 2
    assert store.report(ALL._replace(since=examples.AT + 1)).total.requests == 1


def test_an_empty_ledger(store: database.Database) -> None:
    report = store.report(ALL)
    assert (report.rows, report.total) == ([], reports.Row(()))


def test_what_is_written_twice_counts_once(store: database.Database) -> None:
    batch = [record() for _ in range(3)]
    assert store.write(batch) == store.write([*batch, record()]) == []
    assert store.report(ALL).total.requests == 4


def test_what_no_database_takes_stops_nothing_else(store: database.Database) -> None:
    wrong = record(usage=usage.Usage(2**70))
    assert store.write([record(), wrong, record()]) == [wrong]
    assert store.report(ALL).total.requests == 2


@postgres.needs_postgres
def test_a_copy_that_cant_be_written_loses_nothing(server: postgres.Postgres) -> None:
    """As while another server takes over."""
    copy = database.Database(f"{server.url}?options=-c%20default_transaction_read_only%3Don")
    store = database.Database(server.url)
    store.prune(float("inf"))
    with pytest.raises(database.UNAVAILABLE, match="read-only transaction"):
        copy.write([record()])
    assert store.report(ALL).total.requests == 0
    copy.close()
    store.close()


def test_prune(store: database.Database) -> None:
    store.write([record(), record(at=examples.AT - 100)])
    assert store.prune(examples.AT - 50) == 1
    assert store.report(ALL).total.requests == 1


def test_a_file_that_comes_and_goes(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.mkdir()
    store = database.Database(f"sqlite:///{file}")
    with pytest.raises(database.UNAVAILABLE):
        store.write([record()])
    file.rmdir()
    assert store.write([record()]) == []
    assert store.report(ALL).total.requests == 1
    store.close()


def test_readers_dont_wait_for_a_writer(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    store = database.Database(f"sqlite:///{file}")
    store.write([record()])
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    assert store.report(ALL).total.requests == 1
    other.close()
    store.close()


def test_a_row_has_all_of_a_record() -> None:
    """But for what is only for metrics and traces, and what is in another form."""
    names = {field.name for field in dataclasses.fields(records.Record)}
    row = database.row(record())
    assert names - row.keys() == {"usage", "failures", "trace"} | ({"price"} - row.keys())
    assert row["cost"] == row["charged"] == 1500
    assert row["hour"] == "2026-11-28T12"
