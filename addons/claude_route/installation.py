"""What is installed here: our version, the profiles that come with us, the libraries we need."""

from __future__ import annotations

import importlib.util
import platform
import sys
from pathlib import Path

from mitmproxy import version

import claude_route

PACKAGE = Path(__file__).resolve().parent

_CLONE = PACKAGE.parents[1] / "profiles"

PROFILES = _CLONE if _CLONE.is_dir() else PACKAGE / "profiles"
"""The folder of the profiles that are known by name: the repository's, or a wheel's own copy."""

SCRIPTS = PACKAGE / "_script"
"""What the command gives to mitmproxy's -s. Mitmproxy puts a script's folder on `sys.path`, so these
have a folder of their own: in the package's, our `profile` would be everybody's `import profile`."""

LIBRARIES = {"msgspec": "msgspec", "dotenv": "python-dotenv"}
"""Module -> distribution of what we need and a plain mitmproxy doesn't bring."""


def versions() -> str:
    """For the log at start and for reports of bugs."""
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
    """End a mitmproxy that was installed without us, with one line and status 1, rather than with
    the traceback of an import."""
    if missing := missing_libraries():
        sys.exit(
            f"claude-route needs {', '.join(missing)}, which this mitmproxy doesn't have. Add them "
            f"(pipx inject mitmproxy {' '.join(missing)}), or start it in a clone as "
            "`uv run mitmdump -s addons/route.py`, which brings them"
        )
