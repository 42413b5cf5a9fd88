"""Hooks that mitmproxy calls where it can't wait."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: making the addons patches mitmproxy for all tests that come after.
WAITING = """
import inspect
from claude_route import app
for addon in app.addons():
    for hook in ("load", "configure", "done"):
        if inspect.iscoroutinefunction(getattr(addon, hook, None)):
            print(type(addon).__name__, hook)
"""


def test_none_is_async() -> None:
    """mitmproxy raises where such a hook is: a script that is loaded again would stay half removed."""
    ran = subprocess.run(
        [sys.executable, "-c", WAITING], capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""
