"""The ledger's database, by SQLAlchemy Core. Loaded only once there is something to write or to read.

Its methods wait for the database, so only threads of their own may call them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

from claude_route.ledger import location
from claude_route.ledger import reports
from claude_route.ledger import schema
from claude_route.proxy import records

CONNECT_TIMEOUT = 5
"""Seconds."""

STATEMENT_TIMEOUT = 20
"""Seconds; longer ones hold up nothing but the ledger."""

BUSY_TIMEOUT = 5.0
"""Seconds that SQLite waits for another process's write."""

REFUSED = (sa.exc.DataError, sa.exc.IntegrityError, OverflowError)
"""The database doesn't take the data, and never will."""

UNAVAILABLE = (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError, schema.NewerError)
"""The database is gone, full, busy, a copy that can't be written, somebody else's or a newer version's: the same may
work later. REFUSED are among them where they aren't about data."""


class Day(NamedTuple):
    """What budgets charge a client for one day, in UTC."""

    date: str
    """`2026-11-28`."""
    nano: int
    """Billionths of a dollar."""
    tokens: int
    """Of all kinds."""


class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = _engine(url)
        self._is_open = False

    def close(self) -> None:
        self._engine.dispose()
        self._is_open = False

    def write(self, batch: Sequence[records.Record]) -> list[records.Record]:
        """Write records, each once however often it is given, and return those that the database doesn't
        take.

        Raises:
            UNAVAILABLE: nothing is written.
        """
        self._open()
        try:
            self._insert(batch)
        except REFUSED:
            return [record for record in batch if not self._takes(record)]
        except UNAVAILABLE:
            self._forget()
            raise
        return []

    def prune(self, before: float) -> int:
        """Delete the requests that arrived before this time, in Unix seconds; returns how many."""
        self._open()
        table = schema.REQUESTS
        with self._engine.begin() as connection:
            return connection.execute(sa.delete(table).where(table.c.at < before)).rowcount

    def report(self, query: reports.Query) -> reports.Report:
        """Raises UNAVAILABLE."""
        return self._twice(lambda: self._report(query))

    def days(self, client: str, since: float, until: float) -> list[Day]:
        """What a client has used on each day. `since` and `until` in Unix seconds.

        Raises UNAVAILABLE.
        """
        return self._twice(lambda: self._days(client, since, until))

    def _twice[T](self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except UNAVAILABLE:
            # Connections that a server's restart has broken are found out by using them.
            self._forget()
            return ask()

    def _days(self, client: str, since: float, until: float) -> list[Day]:
        self._open()
        table = schema.REQUESTS
        day = _group("day").label("day")
        tokens = table.c.input + table.c.output + table.c.cache_read + table.c.cache_write
        chosen = (table.c.client == client, table.c.at >= since, table.c.at < until)
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(day, sa.func.sum(table.c.charged), sa.func.sum(tokens))
                .where(*chosen)
                .group_by(day)
            ).all()
        return [Day(day, int(nano), int(tokens)) for day, nano, tokens in rows]

    def _report(self, query: reports.Query) -> reports.Report:
        self._open()
        table = schema.REQUESTS
        chosen = [table.c.at >= query.since, table.c.at < query.until]
        if query.client is not None:
            chosen.append(table.c.client == query.client)
        sums = _sums()
        groups = [_group(name).label(name) for name in query.by]
        # Time goes forward; all else begins with what costs most.
        order: list[sa.ColumnElement[Any]] = [
            sa.func.coalesce(sa.func.sum(table.c.cost), 0).desc(),
            sa.func.count().desc(),
            *groups,
        ]
        if query.by[0] in ("day", "hour"):
            order = [groups[0], *order]
        with self._engine.connect() as connection:
            total = connection.execute(sa.select(*sums).where(*chosen)).one()
            rows = connection.execute(
                sa.select(*groups, *sums)
                .where(*chosen)
                .group_by(*groups)
                .order_by(*order)
                .limit(reports.MAX_ROWS)
            ).all()
        width = len(groups)
        return reports.Report(
            query,
            [reports.Row(tuple(map(_text, row[:width])), *map(int, row[width:])) for row in rows],
            reports.Row((), *map(int, total)),
        )

    def _open(self) -> None:
        if self._is_open:
            return
        if path := location.file(self.url):
            # What people ask is their own affair.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
        try:
            with self._engine.begin() as connection:
                schema.migrate(connection)
        except UNAVAILABLE:
            self._forget()
            raise
        self._is_open = True

    def _forget(self) -> None:
        """After an error, connections may be broken, or the file another one."""
        self.close()

    def _insert(self, batch: Iterable[records.Record]) -> None:
        rows = [row(record) for record in batch]
        if rows:
            inserting = postgresql if self._engine.name == "postgresql" else sqlite
            insert = inserting.insert(schema.REQUESTS).on_conflict_do_nothing(index_elements=["id"])
            with self._engine.begin() as connection:
                connection.execute(insert, rows)

    def _takes(self, record: records.Record) -> bool:
        try:
            self._insert([record])
        except REFUSED:
            return False
        except UNAVAILABLE:
            self._forget()
            raise
        return True


def row(record: records.Record) -> dict[str, Any]:
    used, cost = record.usage, record.cost
    hour = datetime.datetime.fromtimestamp(record.at, datetime.UTC).strftime("%Y-%m-%dT%H")
    return {
        "id": record.id,
        "at": record.at,
        "hour": hour,
        "client": record.client,
        "session": record.session,
        "agent": record.agent,
        "kind": record.kind,
        "model": record.model,
        "target": record.target,
        "token": record.token,
        "input": used.input,
        "output": used.output,
        "cache_read": used.cache_read,
        "cache_write": used.cache_write,
        "cache_write_1h": used.cache_write_1h,
        "is_estimated": record.is_estimated,
        "cost": None if cost.dollars is None else round(cost.dollars * reports.NANO),
        "charged": round(cost.charged * reports.NANO),
        "price": cost.source,
        "status": record.status,
        "first_byte": record.first_byte,
        "duration": record.duration,
        "attempts": record.attempts,
        "error": record.error,
    }


def _sums() -> list[sa.ColumnElement[Any]]:
    """In the order of `reports.Row`."""
    table = schema.REQUESTS

    def count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    kinds = (table.c.input, table.c.output, table.c.cache_read, table.c.cache_write)
    return [
        sa.func.count(),
        count(table.c.error != ""),
        *(sa.func.coalesce(sa.func.sum(kind), 0) for kind in kinds),
        sa.func.coalesce(sa.func.sum(table.c.cost), 0),
        count(table.c.cost.is_(None)),
    ]


def _group(name: str) -> sa.ColumnElement[Any]:
    table = schema.REQUESTS
    if name == "day":
        return sa.func.substr(table.c.hour, 1, 10)
    return table.c[name]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _engine(url: str) -> sa.Engine:
    if location.file(url):
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    server = sa.make_url(url)
    options = f"-c statement_timeout={STATEMENT_TIMEOUT * 1000}"
    if isinstance(own := server.query.get("options"), str):
        options += f" {own}"  # the last one counts
    return sa.create_engine(
        server.set(drivername="postgresql+psycopg"),
        pool_size=2,
        max_overflow=2,
        pool_timeout=CONNECT_TIMEOUT,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            # Where the server has none of its own (SQL_ASCII), text would come back as bytes.
            "client_encoding": "utf8",
            "options": options,
        },
    )


def _set_up_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    # Readers don't wait for the writer. What a crash of the process leaves behind is whole; only one of
    # the machine may lose the last transactions.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
