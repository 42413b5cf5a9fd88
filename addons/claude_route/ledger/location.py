"""Where the ledger is, if the profile doesn't say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from claude_route.text import urls

FILE = "ledger.db"


def folder(environ: Mapping[str, str]) -> Path:
    """Where we keep what is to outlast the process: the user's folder for state, as the XDG Base Directory
    Specification and Windows have it."""
    if os.name == "nt" and (local := environ.get("LOCALAPPDATA")):
        return Path(local) / "claude-route"
    state = environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "claude-route"


def url(setting: str | None, environ: Mapping[str, str]) -> str:
    """The database's URL for the profile's `ledger`; empty if there is to be none. A path may begin with `~`.

    Raises:
        RuntimeError: the user has no home.
    """
    if setting is None:
        return f"sqlite:///{folder(environ) / FILE}"
    path = file(setting)
    return f"sqlite:///{path.expanduser()}" if path and str(path).startswith("~") else setting


def file(url: str) -> Path | None:
    """The file of an SQLite database; None for any other."""
    scheme, _, path = url.partition(":///")
    return Path(path.partition("?")[0]) if scheme == "sqlite" else None


def silent(url: str, error: Exception) -> str:
    """That a database doesn't answer, and why."""
    return f"{shown(url)} doesn't answer ({reason(error)})"


def reason(error: Exception) -> str:
    """A database's own words, of which the library's say where to read more about it."""
    words = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return words or type(error).__name__


def shown(url: str) -> str:
    """For people: without a password."""
    path = file(url)
    return str(path) if path else urls.shown(url)
