"""Fuzzes one subject in this process, by atheris: https://github.com/google/atheris

Run as follows: python -m tests.fuzz.fuzzer SUBJECT SECONDS FOLDER. It prints a line for each finding, and
ends by itself. `tests.fuzz` starts it.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import resource
import sys
from pathlib import Path

import atheris

from tests.fuzz import findings
from tests.fuzz import mutation

TIMEOUT = 120
"""Seconds after which an input is given up, and with it this process: of the clock, however busy the
machine is."""

MEMORY = 2 << 30
"""Bytes that this process may take. The fuzzer's own limit is not of use: it goes by the greatest size that the system has
seen, which a new process has from whoever started it."""


class Fuzzer:
    def __init__(self, subject: str, check: findings.Check, corpus: Path) -> None:
        self._subject = subject
        self._check = check
        self._corpus = corpus
        self._known: set[str] = set()
        kept = [file.read_bytes() for file in sorted(corpus.glob("*"))]
        self._mutator = mutation.Mutator(kept)

    def take(self, data: bytes) -> None:
        finding = findings.find(self._check, data)
        if finding is None or finding.place in self._known:
            return
        self._known.add(finding.place)
        data = findings.shrunk(self._check, data, finding.place)
        finding = findings.find(self._check, data) or finding
        file = self._corpus / f"finding-{hashlib.sha256(data).hexdigest()[:12]}"
        file.write_bytes(data)
        print(f"{self._subject}: {finding} ({file.name}: {data[:200]!r})", flush=True)

    def mutate(self, data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.1:
            return bytes(atheris.Mutate(data, most))
        return self._mutator(data, chance)[:most]


def main(subject: str, seconds: str, folder: str) -> None:
    with atheris.instrument_imports(include=["claude_route"]):
        module = importlib.import_module(f"tests.fuzz.subjects.{subject}")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    corpus = findings.CORPUS / subject
    fuzzer = Fuzzer(subject, module.check, corpus)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={TIMEOUT}",
        "-rss_limit_mb=0",
        "-max_len=8192",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    atheris.Setup(
        [sys.argv[0], *options, folder, str(corpus)],
        fuzzer.take,
        custom_mutator=fuzzer.mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
