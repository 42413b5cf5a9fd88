from __future__ import annotations

import os
from pathlib import Path

from claude_route import reload


def test_changes_are_noticed_once(tmp_path: Path) -> None:
    watched, missing = tmp_path / "a", tmp_path / "b"
    watched.write_text("1")
    changes: list[int] = []
    watch = reload.Watch([watched, missing], lambda: changes.append(1))
    watch.look()
    assert not changes
    watched.write_text("22")
    watch.look()
    watch.look()
    assert len(changes) == 1
    missing.write_text("made")
    watch.look()
    assert len(changes) == 2
    missing.unlink()
    watch.look()
    assert len(changes) == 3


def test_the_same_length_at_another_time_is_a_change(tmp_path: Path) -> None:
    watched = tmp_path / "a"
    watched.write_text("1")
    changes: list[int] = []
    watch = reload.Watch([watched], lambda: changes.append(1))
    os.utime(watched, ns=(1, 1))
    watch.look()
    assert changes
