from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest
from mitmproxy.test import taddons

from claude_route.ledger import books
from claude_route.ledger import reports
from claude_route.profile import ledgers
from claude_route.profile import profiles
from claude_route.proxy import state
from tests.unit import states
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


async def test_a_database_that_doesnt_answer(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()
    force = Force(f"sqlite:///{tmp_path / 'a.db'}")
    ledger = books.Ledger(lambda: force.state)
    ledger.take(record(), None)
    with pytest.raises(ConnectionError, match=r"a\.db doesn't answer"):
        await ledger.report(ALL)
    ledger.done()
