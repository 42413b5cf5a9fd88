"""The small file that remembers, over a restart, which tokens rest and which are disabled.

It has digests in place of tokens, so that a list of tokens that has changed rests none wrongly. Several proxies of
one user may share it: each writes only about the tokens that it has learnt something about.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claude_route.routing import health
from claude_route.store import names
from claude_route.store import records

NAME = "tokens.json"

MOST = 1_000_000
"""Bytes. A file that is longer is none of ours."""

SOURCE = "source"
"""The field with what the profile was when the token was disabled: another profile gives it another chance."""


def read(path: Path, secrets: Iterable[str], source: str) -> dict[str, health.Health]:
    """What the file has about these tokens. `source` stands for the profile and `.env` as they are now.

    Raises:
        OSError: it can't be read.
        ValueError: it is none of ours.
    """
    entries = _entries(path)
    reports = {}
    for secret in secrets:
        if entry := entries.get(names.digest(secret)):
            report = records.read(entry)
            if entry.get(SOURCE) != source:
                report = report._replace(disabled=None)
            reports[secret] = report
    return reports


def write(path: Path, reports: Mapping[str, health.Health], source: str, now: float) -> None:
    """Replace what the file has about these tokens, by their secrets, and drop what is over.

    Raises:
        OSError: it can't be written.
    """
    try:
        entries = _entries(path)
    except ValueError:
        entries = {}
    for secret, report in reports.items():
        entry = records.fields(report._replace(windows={}))
        entries[names.digest(secret)] = {**entry, SOURCE: source}
    current = {name: entry for name, entry in entries.items() if _is_current(entry, now)}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, json.dumps({"version": 1, "tokens": current}, indent=1))


def _is_current(entry: Mapping[str, str], now: float) -> bool:
    report = records.read(entry)
    return report.disabled is not None or any(held.rest.until > now for held in report.rests)


def _entries(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            loaded: Any = json.loads(file.read(MOST))
    except FileNotFoundError:
        return {}
    tokens = loaded.get("tokens") if isinstance(loaded, dict) else None
    if not isinstance(tokens, dict):
        raise ValueError(f"{path}: expected what claude-route has written there")
    return {
        name: {field: text for field, text in entry.items() if isinstance(text, str)}
        for name, entry in tokens.items()
        if isinstance(entry, dict)
    }


def _replace(path: Path, text: str) -> None:
    """Write a whole file, that only its owner can read, or none."""
    # mkstemp makes it so (0600), and no other process writes to the same.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
