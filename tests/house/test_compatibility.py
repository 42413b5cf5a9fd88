"""docs/compatibility.md names a test for each thing that it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests import paths

PAGE = paths.ROOT / "docs" / "compatibility.md"
TEST = re.compile(r"`(\w+/[\w/]+\.py)::((?:\w+::)?\w+)`")
"""With its class, if it is in one, as pytest takes it."""

VERSION = re.compile(r"^## (\S+)", re.MULTILINE)


def rows() -> Iterator[list[str]]:
    """The cells of each row of the tables, without their headings."""
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| point ")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def functions(path: str) -> set[str]:
    """The names by which pytest knows the functions of a file."""
    tree = ast.parse((paths.ROOT / "tests" / path).read_text())
    return {
        prefix + node.name
        for prefix, body in [
            ("", tree.body),
            *(
                (f"{each.name}::", each.body)
                for each in tree.body
                if isinstance(each, ast.ClassDef)
            ),
        ]
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(PAGE.read_text()))), ids=str)
def test_each_test_exists(path: str, name: str) -> None:
    assert name in functions(path)
    assert name.rpartition("::")[2].startswith("test_")


def test_each_row_has_a_version_and_a_test() -> None:
    versions = {*VERSION.findall((paths.ROOT / "CHANGELOG.md").read_text()), "not yet"}
    assert len(list(rows())) > 40
    for row in rows():
        *_, since, tests = row
        assert since in versions, row
        assert bool(TEST.findall(tests)) == (since != "not yet"), row
