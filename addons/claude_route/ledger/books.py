"""The ledger as the rest of the program sees it: takes records, makes reports, and knows what clients have
used."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from mitmproxy import ctx

from claude_route.ledger import location
from claude_route.ledger import reports
from claude_route.ledger import writer
from claude_route.profile import ledgers
from claude_route.profile import limits
from claude_route.proxy import balances
from claude_route.proxy import contract
from claude_route.proxy import records
from claude_route.proxy import state
from claude_route.routing import calendar

logger = logging.getLogger(__name__)

FLUSH = 2.0
"""Seconds that a report waits for the latest requests to be written."""

FAREWELL = 5.0
"""Seconds that the process's end waits for them."""


def database() -> Any:
    """The module, imported when it is needed, and in the thread that needs it."""
    return importlib.import_module("claude_route.ledger.database")


def is_unavailable(error: Exception) -> bool:
    """Whether the same may work later. Where it was the module that couldn't be read, such as for want of a file
    (EMFILE), the module isn't asked."""
    if isinstance(error, OSError):
        return True
    return isinstance(error, database().UNAVAILABLE)


class Ledger:
    """An addon: opens the ledger of the profile in force, and writes the rest at the end."""

    def __init__(self, state_in_force: Callable[[], state.State | None]) -> None:
        self.state_in_force = state_in_force
        self.writer: writer.Writer | None = None
        self.url = ""
        self._store: Any = None
        """For reports; the writer has one of its own."""
        self._setting: ledgers.Ledger | None = None

    def take(self, record: records.Record, request: contract.RoutedRequest | None) -> None:
        """Implements `accounting.Listener`."""
        self._follow()
        if self.writer:
            self.writer.put(record)

    def running(self) -> None:
        in_force = self.state_in_force()
        if in_force and ctx.options.server:
            self._follow()
            if self.url:
                # Before the first request. Beside it, loading takes the interpreter from it for a fifth of a
                # second, in which Redis seems too slow to be waited for.
                with contextlib.suppress(OSError):  # the writer tells it, and tries again
                    database()
            logger.info(self.describe())
            limited = [
                client.name
                for client in in_force.profile.clients.values()
                if client.limits.are_of_use
            ]
            in_force.gate.balances.ask(limited)

    def done(self) -> None:
        self._closing()()

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return self.writer.waiting if self.writer else 0

    def describe(self) -> str:
        if not self.url:
            return "Ledger: off"
        assert self._setting
        return (
            f"Ledger: {location.shown(self.url)}, for {self._setting.days} days; `ledger: off` in the "
            "profile for none"
        )

    async def report(self, query: reports.Query) -> reports.Report | None:
        """None if there is no ledger.

        Raises:
            ConnectionError: the database doesn't answer.
        """
        if not self.url:
            return None
        return await asyncio.to_thread(self._report, query)

    async def balance(self, client: str, before: float, now: float) -> balances.Balance | None:
        """What a client has used before a time, in the periods that `now` is in. Implements
        `balances.Source`."""
        self._follow()
        if not self.url:
            return None
        return await asyncio.to_thread(self._balance, client, before, now)

    def _report(self, query: reports.Query) -> reports.Report:
        if self.writer:
            self.writer.flush(FLUSH)
        report: reports.Report = self._ask(lambda store: store.report(query))
        return report

    def _balance(self, client: str, before: float, now: float) -> balances.Balance:
        starts = {period: calendar.start(period, now) for period in limits.PERIODS}
        days = self._ask(lambda store: store.days(client, min(starts.values()), before))
        first = {period: str(calendar.today(start)) for period, start in starts.items()}
        return balances.Balance(
            {
                period: sum(day.nano for day in days if day.date >= first[period]) / reports.NANO
                for period in limits.PERIODS
            },
            sum(day.tokens for day in days if day.date >= first["day"]),
        )

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        """Raises:
        ConnectionError: the database doesn't answer.
        """
        try:
            if self._store is None:
                self._store = database().Database(self.url)
            return question(self._store)
        except Exception as e:
            if not is_unavailable(e):
                raise
            raise ConnectionError(location.silent(self.url, e)) from e

    def _follow(self) -> None:
        """Keep the ledger that the profile in force names."""
        in_force = self.state_in_force()
        if in_force and in_force.profile.ledger is not self._setting:
            self._open(in_force.profile.ledger)

    def _open(self, setting: ledgers.Ledger) -> None:
        """Go over to what the profile says now."""
        before, self._setting = self._setting, setting
        try:
            url = location.url(setting.url, os.environ)
        except RuntimeError as e:
            logger.warning(f"Ledger: {e}; no requests are kept")
            url = ""
        if url == self.url and before is not None:
            if self.writer:
                self.writer.days = setting.days
            return
        # Requests don't wait for what is left of the one before.
        threading.Thread(target=self._closing(), name="ledger that was", daemon=True).start()
        self.url = url
        if url:
            self.writer = writer.Writer(
                lambda: database().Database(url),
                is_unavailable,
                location.shown(url),
                setting.days,
            )

    def _closing(self) -> Callable[[], None]:
        """Forgets writer and store, and returns what closes them."""
        old, store = self.writer, self._store
        self.writer = self._store = None

        def close() -> None:
            if old:
                old.stop(FAREWELL)
            if store:
                store.close()

        return close
