"""Words that this project replaced by the field's own must not come back."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import paths

PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
FOLDERS = ("addons", "docs", "tests", "simulator", "bench")
SUFFIXES = (".py", ".md", ".html", ".js", ".yaml")

BANNED = {
    r"_?doors?": "listener",
    r"anew": "again",
    r"amid": "in the middle of, within",
    r"the very": "this, exactly",
    r"broke off|broken off|breaks off": "was interrupted, was lost",
    r"hangs on": "depends on",
    r"(stands?|stood) behind": "is a fallback, is the upstream",
    r"lets? go( of)?": "drops, frees",
    r"says nothing (of|about) (its|what)": "gives no",
    r"who(ever)? (may )?comes? in": "which clients may connect",
    r"let in|lets in": "admitted, accepted",
    r"as it were|so to speak": "",
    r"header(s|'s)? heads?|response heads?|request heads?": "headers",
}
"""Pattern of whole words -> what to write instead."""

NAMES = {"told", "said", "anew", "door", "doors", "let_go", "may_go", "stands_behind"}
"""Identifiers that tell nothing of what they hold."""

TEXTS = {
    path.relative_to(paths.ROOT).as_posix(): path
    for path in (
        *(paths.ROOT / name for name in PAGES),
        *(
            path
            for folder in FOLDERS
            for path in sorted((paths.ROOT / folder).rglob("*"))
            if path.suffix in SUFFIXES and path != Path(__file__)
        ),
    )
}


def names(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.string.strip("_").lower()


@pytest.mark.parametrize("words", BANNED)
def test_words(words: str) -> None:
    pattern = re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    places = [
        f"{name}:{number}: {line.strip()}"
        for name, path in TEXTS.items()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert places == [], f"write: {BANNED[words]}"


def test_names() -> None:
    sources = {name: path for name, path in TEXTS.items() if path.suffix == ".py"}
    assert {
        f"{name}: {identifier}"
        for name, path in sources.items()
        for identifier in names(path.read_text(encoding="utf-8"))
        if identifier in NAMES
    } == set()
