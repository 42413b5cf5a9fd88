"""The tables of the ledger, and how an older database becomes this one.

`schema_version` says how many of MIGRATIONS a database has behind it. One that a newer version made is
left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

METADATA = sa.MetaData()

REQUESTS = sa.Table(
    "requests",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    # `2026-11-28T17`, UTC: sums by hour and by day need no function of any one database's.
    sa.Column("hour", sa.String(13), nullable=False),
    sa.Column("client", sa.String(200), nullable=False),
    sa.Column("session", sa.String(200), nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("target", sa.String(200), nullable=False),
    sa.Column("token", sa.Integer),
    sa.Column("input", sa.BigInteger, nullable=False),
    sa.Column("output", sa.BigInteger, nullable=False),
    sa.Column("cache_read", sa.BigInteger, nullable=False),
    sa.Column("cache_write", sa.BigInteger, nullable=False),
    sa.Column("cache_write_1h", sa.BigInteger, nullable=False),
    sa.Column("is_estimated", sa.Boolean, nullable=False),
    # Billionths of a dollar; null if no price was known.
    sa.Column("cost", sa.BigInteger),
    # What budgets charge for it.
    sa.Column("charged", sa.BigInteger, nullable=False),
    sa.Column("price", sa.String(20), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("first_byte", sa.Double),
    sa.Column("duration", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.String(200), nullable=False),
    sa.Index("requests_at", "at"),
    sa.Index("requests_client_at", "client", "at"),
)

VERSION = sa.Table(
    "schema_version", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False)
)


def _create(connection: sa.Connection) -> None:
    METADATA.create_all(connection)


MIGRATIONS = (_create,)
"""What makes each version of the one before it. Never change one that was released: add another."""


class NewerError(ValueError):
    """A newer claude-route has made the database."""


def migrate(connection: sa.Connection, steps: Sequence[object] = MIGRATIONS) -> None:
    """Bring a database to the newest version, within the connection's transaction.

    Raises:
        NewerError: it is newer than this.
    """
    if connection.engine.name == "postgresql":
        # Several instances may start at once. The number is ours and means nothing.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4071927)"))
    elif not sa.inspect(connection).has_table(VERSION.name):
        # The same for SQLite, of workers. Python's driver begins a transaction only with the first INSERT.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    VERSION.create(connection, checkfirst=True)
    version = connection.scalar(sa.select(sa.func.max(VERSION.c.version))) or 0
    if version > len(steps):
        raise NewerError(
            f"the ledger has version {version}, and this claude-route knows {len(steps)}"
        )
    for number, step in enumerate(steps[version:], version + 1):
        assert callable(step)
        step(connection)
        connection.execute(VERSION.insert().values(version=number))
