from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.test import taddons

from claude_route.dialects import usage
from claude_route.ledger import books
from claude_route.ledger import reports
from claude_route.ledger import writer
from claude_route.pricing import prices
from claude_route.profile import ledgers
from claude_route.profile import profiles
from claude_route.proxy import state
from tests.unit import states
from tests.unit.ledger import examples
from tests.unit.ledger.examples import record
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
ALL = reports.Query(("model",), 0, 2e9)


class Force:
    """A profile in force, which may change."""

    def __init__(self, url: str | None) -> None:
        self.state: state.State | None = None
        self.set(url)

    def set(self, url: str | None, days: int = 7) -> None:
        profile = dataclasses.replace(PROFILE, ledger=ledgers.Ledger(url, days))
        self.state = states.state_of(profile)


async def test_it_takes_records_and_reports_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    force = Force(f"sqlite:///{tmp_path / 'a.db'}")
    ledger = books.Ledger(lambda: force.state)
    with taddons.context(ledger) as context:
        context.options.add_option("server", bool, True, "")
        ledger.running()
    assert f"Ledger: {tmp_path / 'a.db'}, for 7 days; `ledger: off` in the profile for none" in (
        caplog.messages
    )
    ledger.take(record(), None)
    report = await ledger.report(ALL)
    assert report and report.total.requests == 1, "without waiting for the next batch"
    ledger.done()
    assert ledger.waiting == 0


async def test_off() -> None:
    force = Force("")
    ledger = books.Ledger(lambda: force.state)
    ledger.take(record(), None)
    assert await ledger.report(ALL) is None
    assert ledger.describe() == "Ledger: off"
    ledger.done()


async def test_it_follows_the_profile(tmp_path: Path) -> None:
    first, second = (f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db"))
    force = Force(first)
    ledger = books.Ledger(lambda: force.state)
    ledger.take(record(), None)
    before = ledger.writer
    force.set(first, days=9)
    ledger.take(record(), None)
    assert before and ledger.writer is before and before.days == 9
    force.set(second)
    ledger.take(record(), None)
    report = await ledger.report(ALL)
    assert report and report.total.requests == 1
    force.set(first)
    ledger.take(record(), None)
    report = await ledger.report(ALL)
    ledger.done()
    assert report and report.total.requests == 3


async def test_the_balance_of_a_client(tmp_path: Path) -> None:
    """Of each period, from its border in UTC."""
    force = Force(f"sqlite:///{tmp_path / 'a.db'}")
    force.set(f"sqlite:///{tmp_path / 'a.db'}", days=100_000)
    ledger = books.Ledger(lambda: force.state)
    before = [
        ("2026-10-31T23:59:59", 64),
        ("2026-11-01T00:00:00", 32),  # a Sunday
        ("2026-11-22T23:59:59", 16),
        ("2026-11-23T00:00:00", 8),  # a Monday
        ("2026-11-27T23:59:59", 4),
        ("2026-11-28T00:00:00", 2),
        ("2026-11-28T12:00:00", 1),
    ]
    for time, dollars in before:
        cost = prices.Cost(None, dollars, "unknown")
        ledger.take(record(at=moment(time), cost=cost, usage=usage.Usage(dollars)), None)
    assert ledger.writer and ledger.writer.flush(5)
    noon = moment("2026-11-28T12:00:00")
    balance = await ledger.balance("alice", noon, noon + 60)
    assert balance == ({"day": 2, "week": 14, "month": 62}, 2)
    later = await ledger.balance("alice", noon, moment("2026-12-01T00:00:01"))
    assert later == ({"day": 0, "week": 0, "month": 0}, 0), "Monday was the 30th"
    nobody = await ledger.balance("bob", noon, noon)
    assert nobody == ({"day": 0, "week": 0, "month": 0}, 0)
    ledger.done()


def moment(text: str) -> float:
    return datetime.datetime.fromisoformat(f"{text}+00:00").timestamp()


async def test_no_balances(tmp_path: Path) -> None:
    ledger = books.Ledger(lambda: Force("").state)
    assert await ledger.balance("alice", examples.AT, examples.AT) is None
    (tmp_path / "a.db").mkdir()
    force = Force(f"sqlite:///{tmp_path / 'a.db'}")
    ledger = books.Ledger(lambda: force.state)
    with pytest.raises(ConnectionError, match="doesn't answer"):
        await ledger.balance("alice", examples.AT, examples.AT)
    ledger.done()


@pytest.mark.parametrize("kind", ["no database", "newer"])
async def test_a_database_that_is_none_of_ours(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.db"
    if kind == "newer":
        with contextlib.closing(sqlite3.connect(file)) as made:
            made.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
            made.execute("INSERT INTO schema_version VALUES (99)")
            made.commit()
    else:
        file.write_bytes(b"hello" * 1000)
    force = Force(f"sqlite:///{file}")
    ledger = books.Ledger(lambda: force.state)
    ledger.take(record(), None)
    why = "has version 99" if kind == "newer" else "file is not a database"
    for asking in (ledger.report(ALL), ledger.balance("alice", examples.AT, examples.AT)):
        with pytest.raises(ConnectionError, match=rf"a\.db doesn't answer \(.*{why}"):
            await asking
    ledger.done()
    assert any("can't be written" in line and why in line for line in caplog.messages)
    assert not any(line.exc_info for line in caplog.records)


async def test_a_database_that_doesnt_answer(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()
    force = Force(f"sqlite:///{tmp_path / 'a.db'}")
    ledger = books.Ledger(lambda: force.state)
    ledger.take(record(), None)
    with pytest.raises(ConnectionError, match=r"a\.db doesn't answer"):
        await ledger.report(ALL)
    ledger.done()


async def test_no_file_for_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_short = True
    stock = books.database

    def database() -> Any:
        if is_short:
            raise OSError(errno.EMFILE, "Too many open files", "database.py")
        return stock()

    monkeypatch.setattr(books, "database", database)
    monkeypatch.setattr(writer, "RETRIES", (0.01,))
    force = Force(f"sqlite:///{tmp_path / 'a.db'}")
    ledger = books.Ledger(lambda: force.state)
    ledger.take(record(), None)
    with pytest.raises(ConnectionError, match=r"a\.db doesn't answer"):
        await ledger.report(ALL)
    assert any("can't be written: [Errno 24] Too many open files" in m for m in caplog.messages)
    is_short = False
    report = await ledger.report(ALL)
    assert report and report.total.requests == 1
    ledger.done()
