"""docs/compatibility.md names a test for each thing that it says."""

from __future__ import annotations

import re

import pytest

from tests import paths
from tests.house import named_tests

PAGE = paths.ROOT / "docs" / "compatibility.md"

VERSION = re.compile(r"^## (\S+)", re.MULTILINE)


@pytest.mark.parametrize(("path", "name"), named_tests.in_page(PAGE), ids=str)
def test_each_test_exists(path: str, name: str) -> None:
    assert name in named_tests.functions(path)
    assert name.rpartition("::")[2].startswith("test_")


def test_each_row_has_a_version_and_a_test() -> None:
    versions = {*VERSION.findall((paths.ROOT / "CHANGELOG.md").read_text()), "not yet"}
    rows = list(named_tests.rows(PAGE.read_text()))
    assert len(rows) > 40
    for row in rows:
        *_, since, tests = row
        assert since in versions, row
        assert bool(named_tests.TEST.findall(tests)) == (since != "not yet"), row
