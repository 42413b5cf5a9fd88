"""docs/security.md names the tests that try each of its promises."""

from __future__ import annotations

import pytest

from tests import paths
from tests.house import named_tests

PAGE = paths.ROOT / "docs" / "security.md"

ROWS = list(named_tests.rows(PAGE.read_text()))


def test_each_row_has_a_promise_and_a_test() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        promise, tests, _ = row
        assert promise, row
        assert named_tests.TEST.findall(tests) or named_tests.FILE.findall(tests), row


@pytest.mark.parametrize(("path", "name"), named_tests.in_page(PAGE), ids=str)
def test_each_test_exists(path: str, name: str) -> None:
    assert name in named_tests.functions(path)
    assert name.rpartition("::")[2].startswith("test_")


@pytest.mark.parametrize("path", sorted(set(named_tests.FILE.findall(PAGE.read_text()))))
def test_each_file_exists(path: str) -> None:
    assert (paths.ROOT / "tests" / path).is_file()
