"""Tries what reads other people's bytes with inputs that nobody has thought of.

Run as follows: `uv run --dev python -m tests.fuzz bodies streams --minutes 5`, or without names for all
subjects, side by side. What it finds it prints, one line each, and adds to tests/fuzz/corpus, which the
ordinary tests replay; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests import paths
from tests.fuzz import findings

WORKING = paths.ROOT / ".fuzz"
"""Inputs that a subject answers in a new way, from run to run, and the fuzzer's log. Not in git."""

SUBJECTS = tuple(sorted(file.stem for file in (Path(__file__).parent / "subjects").glob("*.py")))

ENDINGS = ("timeout-", "oom-", "crash-", "leak-")
"""How the fuzzer names the input that ended it."""


def start(subject: str, seconds: int) -> subprocess.Popen[str]:
    folder = WORKING / subject
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", subject, str(seconds), str(folder)]
    places = os.pathsep.join((str(paths.ROOT), str(paths.ROOT / "addons")))
    with (folder.with_suffix(".log")).open("w") as log:
        return subprocess.Popen(
            command,
            cwd=paths.ROOT,
            env={**os.environ, "PYTHONPATH": places},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def found(subject: str, process: subprocess.Popen[str]) -> list[str]:
    """The lines about what a fuzzer has found, once it has ended."""
    out, _ = process.communicate()
    lines = [line for line in out.splitlines() if line.startswith(f"{subject}: ")]
    for ending in ENDINGS:
        for file in sorted((WORKING / subject).glob(f"{ending}*")):
            kept = findings.CORPUS / subject / f"finding-{file.name[:20]}"
            shutil.move(file, kept)
            lines.append(f"{subject}: {ending.removesuffix('-')} ({kept.name})")
    if process.returncode and not lines:
        lines.append(f"{subject}: exit status {process.returncode}, see {WORKING}/{subject}.log")
    return lines


def tried(subject: str) -> int:
    """How many inputs the last fuzzer of a subject has tried."""
    log = (WORKING / subject).with_suffix(".log").read_text(errors="replace")
    counted = re.search(r"^stat::number_of_executed_units: +(\d+)$", log, re.MULTILINE)
    return int(counted[1]) if counted else 0


def fuzz(subjects: list[str], seconds: int) -> list[str]:
    processes = {subject: start(subject, seconds) for subject in subjects}
    return [line for subject, process in processes.items() for line in found(subject, process)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("subjects", nargs="*", choices=[[], *SUBJECTS], metavar="SUBJECT")
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    lines = fuzz(options.subjects or list(SUBJECTS), round(options.minutes * 60))
    for line in lines:
        print(line)
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
