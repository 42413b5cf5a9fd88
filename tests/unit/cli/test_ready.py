from __future__ import annotations

from pathlib import Path

import pytest

from claude_route.cli import ready


@pytest.mark.parametrize("web", [None, "http://127.0.0.1:8081/?token=x"])
def test_what_is_written_is_read(tmp_path: Path, web: str | None) -> None:
    path = tmp_path / "ready.json"
    assert ready.read(path) is None
    ready.write(path, ready.Address(4321, web))
    assert ready.read(path) == ready.Address(4321, web)
    assert list(tmp_path.iterdir()) == [path]
