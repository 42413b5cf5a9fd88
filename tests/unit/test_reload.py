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


def test_content_decides(tmp_path: Path) -> None:
    """Not the time, nor the size."""
    watched = tmp_path / "a"
    watched.write_text("1")
    os.utime(watched, ns=(1, 1))
    changes: list[int] = []
    watch = reload.Watch([watched], lambda: changes.append(1))
    os.utime(watched, ns=(2, 2))
    watch.look()
    assert not changes
    watched.write_text("2")
    os.utime(watched, ns=(2, 2))
    watch.look()
    assert changes


def test_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.yaml").write_text(name)
        os.utime(tmp_path / name / "p.yaml", ns=(1, 1))
    link = tmp_path / "current"
    link.symlink_to("1")
    changes: list[int] = []
    watch = reload.Watch([link / "p.yaml"], lambda: changes.append(1))
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").replace(link)
    watch.look()
    assert len(changes) == 1


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    assert reload.fingerprint(tmp_path / "a") is None
