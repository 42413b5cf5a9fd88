from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_route.cli import export
from tests.unit.cli import answering

IDS = ("abc-2", "abc-1", "x y")


def answer(path: str) -> tuple[int, bytes]:
    if path == "/sessions":
        return 200, json.dumps({"sessions": [{"id": id} for id in IDS]}).encode()
    if "abc-1" in path:
        return 404, b'{"error": {"message": "no such session"}}'
    return 200, b"<html>" if "strange" in path else f"exported {path}".encode()


@pytest.fixture
def server() -> Iterator[str]:
    with answering.serving(answer) as url:
        yield url


@pytest.mark.parametrize(
    ("session", "path"),
    [
        ("abc-2", "/sessions/abc-2.har"),
        ("last", "/sessions/abc-2.har"),
        ("x", "/sessions/x%20y.har"),
    ],
)
def test_fetch(server: str, session: str, path: str) -> None:
    assert export.fetch(server, session, "har", None) == f"exported {path}".encode()


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ("abc", "2 sessions begin so"),
        ("other", "no session 'other'"),
        ("abc-1", "no such session"),
    ],
)
def test_what_is_wrong(server: str, session: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        export.fetch(server, session, "html", None)


def test_another_server(server: str) -> None:
    with pytest.raises(ValueError, match="is not claude-route"):
        export.fetch(f"{server}/strange", "last", "html", None)
    with pytest.raises(ValueError, match="no proxy answers"):
        export.fetch("http://127.0.0.1:9", "last", "html", None)


def test_write(tmp_path: Path) -> None:
    export.write(b"x", tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == b"x"
    with pytest.raises(ValueError, match="no such file or directory"):
        export.write(b"x", tmp_path / "none" / "a.html")
