"""Lint, format and types are part of the tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import paths

ROOT = paths.ROOT

COMMANDS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "--diff", "."),
    ("mypy",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_code_passes(command: tuple[str, ...]) -> None:
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
