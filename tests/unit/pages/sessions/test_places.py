from __future__ import annotations

from urllib.parse import urljoin

import pytest

from claude_route.pages.sessions import places


@pytest.mark.parametrize(
    ("path", "expected", "root"),
    [
        ("/sessions", ("", "", ""), ""),
        ("/sessions/abc", ("abc", "", ""), "../"),
        ("/sessions/abc/f1", ("abc", "f1", ""), "../../"),
        ("/sessions/abc.har", ("abc", "", "har"), "../"),
        ("/sessions/abc.txt", ("abc.txt", "", ""), "../"),
        ("/sessions/a%2Fb%3F/f1", ("a/b?", "f1", ""), "../../"),
        ("/sessions/a.html/f1", ("a.html", "f1", ""), "../../"),
    ],
)
def test_read(path: str, expected: tuple[str, str, str], root: str) -> None:
    place = places.read(path)
    assert tuple(place) == expected
    assert places.root(path) == root


@pytest.mark.parametrize(
    "id", ["abc", "a/b", "ä ?#%", ".", "..", "~..", "~~.", "...", 'x"><b>', "a.html", ".har"]
)
def test_there_and_back(id: str) -> None:
    url = places.of_turn(id, "f1")
    assert not {'"', "<", "?", "#"} & set(url)
    # What browsers make of it.
    assert urljoin("http://127.0.0.1/", url) == f"http://127.0.0.1/{url}"
    assert places.read(f"/{url}")[:2] == (id, "f1")
    assert places.read(f"/{places.of_session(id)}") == (id, "", "")
    assert places.read(f"/{places.of_session(id, 'jsonl')}") == (id, "", "jsonl")


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/sessions/a", True),
        ("/sessions/a/b", True),
        ("/sessions/", True),
        ("/sessions/a/b/c", False),
    ],
)
def test_is_one(path: str, is_one: bool) -> None:
    assert places.is_one(path) is is_one
