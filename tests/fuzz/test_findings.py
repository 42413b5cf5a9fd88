from __future__ import annotations

import json
from typing import Any

from tests.fuzz import findings


def check(data: bytes) -> None:
    if b"x" in data:
        raise ValueError("an x\nin it")


def test_no_finding() -> None:
    assert findings.find(check, b"abc") is None


def test_a_finding_is_one_line_and_names_its_place() -> None:
    finding = findings.find(check, b"axb")
    assert finding
    assert str(finding).startswith("ValueError at tests/fuzz/test_findings.py:")
    assert str(finding).endswith(": an x in it")


def test_an_exception_of_a_library_is_at_the_line_that_called_it() -> None:
    def read(data: bytes) -> Any:
        json.loads(data)

    finding = findings.find(read, b"{")
    assert finding
    assert "tests/fuzz/test_findings.py:" in finding.place


def test_slow() -> None:
    finding = findings.find(lambda data: None, b"", slow=-1.0)
    assert finding
    assert finding.place == "slow"


def test_a_finding_is_shrunk() -> None:
    data = b"a" * 99 + b"x" + b"b" * 99
    finding = findings.find(check, data)
    assert finding
    assert findings.shrunk(check, data, finding.place) == b"x"
