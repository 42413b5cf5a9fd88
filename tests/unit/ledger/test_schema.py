from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from claude_route.ledger import schema


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")


def versions(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(schema.VERSION.c.version)))


def test_a_new_database_has_all_versions(engine: sa.Engine) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            schema.migrate(connection)
    assert versions(engine) == list(range(1, len(schema.MIGRATIONS) + 1))
    assert sa.inspect(engine).has_table("requests")


def test_an_older_one_gets_what_it_lacks(engine: sa.Engine) -> None:
    def add(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE requests ADD COLUMN region TEXT"))

    with engine.begin() as connection:
        schema.migrate(connection)
    for _ in range(2):
        with engine.begin() as connection:
            schema.migrate(connection, (*schema.MIGRATIONS, add))
    assert "region" in {column["name"] for column in sa.inspect(engine).get_columns("requests")}


def test_a_step_that_fails_leaves_the_version(engine: sa.Engine) -> None:
    def fail(connection: sa.Connection) -> None:
        raise RuntimeError

    with engine.begin() as connection:
        schema.migrate(connection)
    with pytest.raises(RuntimeError), engine.begin() as connection:
        schema.migrate(connection, (*schema.MIGRATIONS, fail))
    assert versions(engine) == list(range(1, len(schema.MIGRATIONS) + 1))


def test_a_newer_one_is_left_alone(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        schema.migrate(connection)
        connection.execute(schema.VERSION.insert().values(version=99))
    with pytest.raises(schema.NewerError, match="has version 99"), engine.begin() as connection:
        schema.migrate(connection)
