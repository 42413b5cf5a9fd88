"""The kept inputs, each again: those that reached the most code, and those that once met a mistake."""

from __future__ import annotations

import importlib

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import findings


@pytest.mark.parametrize("subject", fuzz.SUBJECTS)
def test_corpus(subject: str) -> None:
    check = importlib.import_module(f"tests.fuzz.subjects.{subject}").check
    files = sorted((findings.CORPUS / subject).iterdir())
    assert files
    found = [
        f"{file.name}: {finding}"
        for file in files
        if (finding := findings.find(check, file.read_bytes(), slow=10 * findings.SLOW))
    ]
    assert found == []
