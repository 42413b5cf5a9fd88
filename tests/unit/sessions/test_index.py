from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from claude_route.dialects import usage
from claude_route.sessions import index
from claude_route.sessions import turns
from tests.unit.sessions.examples import blocks_of
from tests.unit.sessions.examples import turn

FIRST = turn(
    "f1",
    1000,
    prompt="fix it",
    used=usage.Usage(1, 2, 3),
    cost=0.5,
    calls=(turns.Call("toolu_1", "Agent", "", "look", "Explore", b"12345678"),),
    failed=(turns.Failed("zai/glm-5", "529"),),
    passed_over=(turns.PassedOver("token 1", "rests 29 s"),),
    launched=(("toolu_1", "a1"),),
    blocks=blocks_of("t:Read u:1"),
    answer=blocks_of("a:2"),
    words=b"words",
)
SECOND = turn("f2", 1001, blocks=blocks_of("t:Read u:1 a:2 u:3"))


def test_turns_come_back_as_they_were(tmp_path: Path) -> None:
    path = index.beside(str(tmp_path / "flows.mitm"))
    opened = index.Index(path)
    opened.store(SECOND)
    opened.store(FIRST)
    opened.close()
    assert path.name == "flows.mitm.sessions"
    assert path.stat().st_mode & 0o777 == 0o600
    first, second = index.Index(path).latest(10)
    assert (first, second) == (FIRST, SECOND)
    assert second.blocks[0] is first.blocks[0]


def test_the_latest_come_back(tmp_path: Path) -> None:
    opened = index.Index(tmp_path / "index")
    opened.store(FIRST)
    opened.store(SECOND)
    assert list(opened.latest(1)) == [SECOND]


def test_a_replay_replaces_its_turn(tmp_path: Path) -> None:
    opened = index.Index(tmp_path / "index")
    opened.store(FIRST)
    opened.store(turn("f1", 1005, prompt="again"))
    assert [each.prompt for each in opened.latest(10)] == ["again"]


def test_a_new_file_begins_with_nothing(tmp_path: Path) -> None:
    index.Index(tmp_path / "index").store(FIRST)
    assert list(index.Index(tmp_path / "index", fresh=True).latest(10)) == []


def test_an_index_of_another_version_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.Index(tmp_path / "index").store(FIRST)
    monkeypatch.setattr(index, "VERSION", index.VERSION + 1)
    assert list(index.Index(tmp_path / "index").latest(10)) == []


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    opened = index.Index(tmp_path / "index")
    opened.store(FIRST)
    opened.store(SECOND)
    opened.close()
    with sqlite3.connect(tmp_path / "index") as database:
        database.execute("UPDATE turns SET turn = x'00' WHERE flow = 'f1'")
        database.execute(
            "UPDATE blocks SET block = x'00' WHERE digest = ?", (SECOND.blocks[3].digest,)
        )
    (only,) = index.Index(tmp_path / "index").latest(10)
    assert [block.label for block in only.blocks] == ["Read", "1", "2"]


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"something else" * 100)
    with pytest.raises(sqlite3.Error):
        index.Index(tmp_path / "index")
