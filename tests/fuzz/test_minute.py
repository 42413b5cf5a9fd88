"""A minute of fuzzing: every subject at once. What it finds is a warning of this run, and in tests/fuzz/corpus,
whose replay (`test_corpus`) fails until it is fixed: chance must not decide about a change that has nothing to
do with it."""

from __future__ import annotations

import warnings

import pytest

from tests.fuzz import __main__ as fuzz

pytest.importorskip("atheris", reason="atheris has no wheel for this machine")


@pytest.mark.fuzz
def test_a_minute() -> None:
    """Fails where a subject doesn't run."""
    for finding in fuzz.fuzz(list(fuzz.SUBJECTS), 60):
        warnings.warn(f"fuzzing found {finding}", stacklevel=1)
