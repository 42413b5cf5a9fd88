from __future__ import annotations

import errno
import io

import pytest

from claude_route.pages import content


def test_json() -> None:
    assert content.json({"a": 1}) == ("application/json", b'{"a":1}', "")


def test_text() -> None:
    assert content.text("Nothing.") == ("text/plain; charset=utf-8", b"Nothing.\n", "")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("status.css", "text/css; charset=utf-8"),
        ("status.js", "text/javascript; charset=utf-8"),
    ],
)
def test_static(name: str, media_type: str) -> None:
    assert content.static(name) == (media_type, (content.STATIC / name).read_bytes(), "")


def test_static_files_are_there_when_no_file_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(io, "open", open_)  # for pathlib
    assert content.static("usage.css").body
