from __future__ import annotations

from claude_route.cli import columns


def test_columns() -> None:
    rows = [("glm", "→", "zai/glm-5"), ("claude-*", "→", "")]
    assert list(columns.lines(rows)) == ["  glm       →  zai/glm-5", "  claude-*  →"]


def test_no_rows() -> None:
    assert list(columns.lines([])) == []
    assert list(columns.lines([], empty="none")) == ["  none"]
