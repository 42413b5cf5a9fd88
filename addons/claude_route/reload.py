"""Notices that the content of files has changed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

from claude_route import background
from claude_route.profile import plain_file

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between checks. A change must apply within two."""


def fingerprint(path: Path) -> bytes | None:
    """A value that changes with the file's content; None if there is none that can be read as settings.

    Time and size don't tell: behind a symbolic link that now leads elsewhere they may be the same, as in
    a Nix store or a ConfigMap. The files have a few kilobytes.
    """
    try:
        return hashlib.sha256(plain_file.read(path)).digest()
    except OSError:
        return None


class Watch:
    """Calls `changed` when one of the files has other content, is created or removed."""

    def __init__(self, paths: Sequence[Path], changed: Callable[[], None]) -> None:
        self._paths = paths
        self._changed = changed
        self._fingerprints = [fingerprint(path) for path in paths]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = background.every(INTERVAL, self.look, "the look at changed settings")

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    def look(self) -> None:
        fingerprints = [fingerprint(path) for path in self._paths]
        if fingerprints != self._fingerprints:
            self._fingerprints = fingerprints
            self._changed()
