"""This installation: our version, the profiles that we ship, the libraries that we need."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path

from mitmproxy import version

import claude_route

PACKAGE = Path(__file__).resolve().parent

_CLONE = PACKAGE.parents[1] / "profiles"

PROFILES = _CLONE if _CLONE.is_dir() else PACKAGE / "profiles"
"""The folder of profiles that can be given by name: the repository's, or the copy in the wheel."""

SCRIPTS = PACKAGE / "_script"
"""The scripts for mitmproxy's -s. mitmproxy adds a script's folder to `sys.path`, so these have a
folder of their own: from the package's folder, `import profile` would import ours everywhere."""

LIBRARIES = {
    "aiohappyeyeballs": "aiohappyeyeballs",
    "dotenv": "python-dotenv",
    "re2": "google-re2",
    "httptools": "httptools",
    "markdown_it": "markdown-it-py",
    "msgspec": "msgspec",
    "prometheus_client": "prometheus-client",
    "psycopg": "psycopg",
    "redis": "redis",
    "sqlalchemy": "sqlalchemy",
}
"""Module -> distribution that provides it, for what we need and mitmproxy doesn't depend on."""


def versions() -> str:
    """The versions, for the log at start and for bug reports."""
    return (
        f"claude-route {claude_route.__version__} on mitmproxy {version.VERSION}, "
        f"Python {platform.python_version()}"
    )


def missing_libraries() -> list[str]:
    """The distributions of LIBRARIES that this Python doesn't have."""
    return [
        distribution
        for module, distribution in LIBRARIES.items()
        if importlib.util.find_spec(module) is None
    ]


def require_libraries() -> None:
    """Exit with one line and status 1, instead of an import's traceback, if this mitmproxy was
    installed without our libraries."""
    if missing := missing_libraries():
        sys.exit(
            f"claude-route needs {', '.join(missing)}, which this mitmproxy doesn't have. Add them "
            f"(pipx inject mitmproxy {' '.join(missing)}), or start it in a clone as "
            "`uv run mitmdump -s addons/route.py`, which brings them"
        )


def confdir_problem(confdir: str) -> str:
    """Why mitmproxy can't keep its CA in this folder; empty if it can. It would end with a traceback."""
    folder = Path(os.path.expanduser(confdir))  # noqa: PTH111 - Path's own raises without a home
    certificate = folder / "mitmproxy-ca.pem"
    try:
        if certificate.exists():
            certificate.open("rb").close()
            return ""
        # mitmproxy makes the missing folders.
        existing = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as e:
        return _unusable(folder, e.strerror or str(e))
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return ""
    return _unusable(folder, "it can't be written")


def _unusable(folder: Path, why: str) -> str:
    return (
        f"confdir: {folder} can't hold mitmproxy's certificates: {why}. "
        "Choose another folder: --set confdir=FOLDER"
    )
