"""The tests that a page of the documentation names, as pytest takes them: `unit/routing/test_use.py::test_use`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests import paths

TEST = re.compile(r"`(\w+/[\w/]+\.py)::((?:\w+::)?\w+)`")
"""With its class, if it is in one."""

FILE = re.compile(r"`(\w+/[\w/]+\.py)`")
"""A file whose tests are all meant."""


def in_page(page: Path) -> list[tuple[str, str]]:
    """The file and the name of each test, sorted."""
    return sorted(set(TEST.findall(page.read_text())))


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the tables, without their headings."""
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("| ") and not line.startswith("| ---") and not is_rule(following):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def is_rule(line: str) -> bool:
    return line.startswith("| ---")


def functions(path: str) -> set[str]:
    """The names by which pytest knows the functions of a file under `tests`."""
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
