"""A file by which the proxy of `claude-route run` reports to that command where it listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

READY = "CLAUDE_ROUTE_READY"
"""The environment variable with the file's path."""


class Address(NamedTuple):
    """Where the proxy can be reached."""

    port: int
    """Of its one listener, on 127.0.0.1."""
    web: str | None
    """mitmweb's URL, its token included."""


def write(path: Path, address: Address) -> None:
    """Whoever finds the file finds all of it."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(address._asdict()))
    unfinished.replace(path)


def read(path: Path) -> Address | None:
    """None while there is no such file."""
    try:
        return Address(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
