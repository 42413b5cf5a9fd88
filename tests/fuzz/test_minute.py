"""A minute of fuzzing: every subject at once. What it finds is in the message, and in tests/fuzz/corpus."""

from __future__ import annotations

import pytest

from tests.fuzz import __main__ as fuzz

pytest.importorskip("atheris", reason="atheris has no wheel for this machine")


@pytest.mark.fuzz
def test_a_minute() -> None:
    assert fuzz.fuzz(list(fuzz.SUBJECTS), 60) == []
