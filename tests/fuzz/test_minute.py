"""A minute of fuzzing: every subject at once. What it finds is a warning of this run, and in tests/fuzz/corpus,
whose replay (`test_corpus`) fails until it is fixed: chance must not decide about a change that has nothing to
do with it."""

from __future__ import annotations

import warnings

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import findings

pytest.importorskip("atheris", reason="atheris has no wheel for this machine")


@pytest.mark.fuzz
def test_a_minute() -> None:
    """Fails where a subject doesn't run."""
    found = fuzz.fuzz(list(fuzz.SUBJECTS), 60)
    for finding in found:
        warnings.warn(f"fuzzing found {finding}", stacklevel=1)
    for subject in fuzz.SUBJECTS:
        # One that found something may have ended with it.
        if not any(finding.startswith(f"{subject}: ") for finding in found):
            kept = len(list((findings.CORPUS / subject).iterdir()))
            assert fuzz.tried(subject) > kept, f"{subject}: little more than the corpus was tried"
