"""The file in which the proxy of `claude-route run` reports its address to that command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

READY = "CLAUDE_ROUTE_READY"
"""The environment variable that holds the file's path."""


class Address(NamedTuple):
    """Where the proxy can be reached."""

    port: int
    """The port of its one listener, on 127.0.0.1."""
    web: str | None
    """The URL of the sessions in mitmweb, including its token."""


def write(path: Path, address: Address) -> None:
    """Write atomically: a reader never sees an incomplete file."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(address._asdict()))
    unfinished.replace(path)


def read(path: Path) -> Address | None:
    """The address; None while the file doesn't exist."""
    try:
        return Address(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
