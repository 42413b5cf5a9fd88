from __future__ import annotations

import os
from pathlib import Path

import pytest

from claude_route.profile import files
from claude_route.profile import plain_file


@pytest.mark.parametrize("content", [b"", b"a: 1\r\n\xff\0", b"a" * plain_file.MOST])
def test_what_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "link").symlink_to("a")
    assert plain_file.read(tmp_path / "a") == plain_file.read(tmp_path / "link") == content


def others(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "itself").symlink_to("itself")
    with (folder / "large").open("wb") as large:
        large.truncate(2**40)
    names = ("pipe", "folder", "itself", "large", "missing")
    return {name: folder / name for name in names} | {"endless": Path("/dev/zero")}


def test_what_is_refused_at_once(tmp_path: Path) -> None:
    for name, path in others(tmp_path).items():
        with pytest.raises(OSError, match=r"."):
            plain_file.read(path)
        with pytest.raises(ValueError, match="expected a readable file, got "):
            files.read_text(path)
        if name != "missing":
            assert files.environment(tmp_path, {"a": "b"}, name=str(path)) == {"a": "b"}
