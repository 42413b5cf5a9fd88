"""A small SQLite database of turns beside a file of saved flows, so that sessions outlive a restart.

It has the summaries only; bodies stay in the file of flows. Blocks are stored once for each session, as the
turns share them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from claude_route.sessions import turns

VERSION = 1
"""Of the form of what is stored. An index of another version is begun again: it can be made from the flows."""

SUFFIX = ".sessions"

MAX_REMEMBERED = 200_000
"""Digests of blocks that are known to be stored; beyond it we ask the database again."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    flow TEXT PRIMARY KEY, session TEXT NOT NULL, at REAL NOT NULL,
    turn BLOB NOT NULL, blocks BLOB NOT NULL, answer BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS turns_at ON turns (at);
CREATE TABLE IF NOT EXISTS blocks (
    session TEXT NOT NULL, digest BLOB NOT NULL, block BLOB NOT NULL,
    PRIMARY KEY (session, digest)
) WITHOUT ROWID;
"""

_SIZE = 8
"""Bytes of a digest."""


def beside(flows: str) -> Path:
    """The index of a file of flows: `flows.mitm.sessions`."""
    return Path(flows + SUFFIX)


class Index:
    """Used by one thread at a time."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """`fresh`: without what it had before.

        Raises:
            OSError, sqlite3.Error: it can't be opened or written.
        """
        # As secret as the flows that it is about: readable by nobody else.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if fresh or version != VERSION:
            self._database.executescript("DROP TABLE IF EXISTS turns; DROP TABLE IF EXISTS blocks;")
            self._database.execute(f"PRAGMA user_version = {VERSION}")
        self._database.executescript(_SCHEMA)
        self._stored: set[tuple[str, bytes]] = set()

    def store(self, turn: turns.Turn) -> None:
        """Raises sqlite3.Error if it can't be written."""
        blocks = (*turn.blocks, *turn.answer)
        fresh = {b.digest: b for b in blocks if (turn.session, b.digest) not in self._stored}
        light = msgspec.structs.replace(turn, blocks=(), answer=())
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO blocks VALUES (?, ?, ?)",
                [
                    (turn.session, block.digest, msgspec.msgpack.encode(block))
                    for block in fresh.values()
                ],
            )
            self._database.execute(
                "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?, ?, ?)",
                (
                    turn.flow,
                    turn.session,
                    turn.at,
                    msgspec.msgpack.encode(light),
                    b"".join(block.digest for block in turn.blocks),
                    b"".join(block.digest for block in turn.answer),
                ),
            )
        if len(self._stored) > MAX_REMEMBERED:
            self._stored.clear()
        self._stored.update((turn.session, digest) for digest in fresh)

    def latest(self, limit: int) -> Iterator[turns.Turn]:
        """The latest turns, in order of time. Those that can't be read are left out."""
        known: dict[str, dict[bytes, turns.Block]] = {}
        rows = self._database.execute(
            "SELECT session, turn, blocks, answer FROM"
            " (SELECT * FROM turns ORDER BY at DESC LIMIT ?) ORDER BY at",
            (limit,),
        )
        for session, data, blocks, answer in rows.fetchall():
            if session not in known:
                known[session] = dict(self._blocks(session))
            try:
                turn = _TURN.decode(data)
            except msgspec.MsgspecError:
                continue
            yield msgspec.structs.replace(
                turn,
                blocks=_found(blocks, known[session]),
                answer=_found(answer, known[session]),
            )

    def _blocks(self, session: str) -> Iterator[tuple[bytes, turns.Block]]:
        rows = self._database.execute("SELECT block FROM blocks WHERE session = ?", (session,))
        for (data,) in rows:
            try:
                block = _BLOCK.decode(data)
            except msgspec.MsgspecError:
                continue
            yield block.digest, block

    def close(self) -> None:
        self._database.close()


_TURN = msgspec.msgpack.Decoder(turns.Turn)
_BLOCK = msgspec.msgpack.Decoder(turns.Block)


def _found(digests: bytes, known: dict[bytes, turns.Block]) -> tuple[turns.Block, ...]:
    each = (digests[at : at + _SIZE] for at in range(0, len(digests), _SIZE))
    return tuple(known[digest] for digest in each if digest in known)
