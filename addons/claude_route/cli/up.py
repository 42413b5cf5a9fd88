"""`claude-route up`: mitmproxy with our addons."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal

from claude_route import installation

type Tool = Literal["mitmdump", "mitmweb", "mitmproxy"]


def up(tool: Tool, profile: str | None, arguments: Sequence[str]) -> int:
    """Run one of mitmproxy's tools until it ends. Returns its exit status."""
    named = ["--set", f"profile={profile}"] if profile is not None else []
    script = ["-s", str(installation.SCRIPTS / "route.py")]
    # Imported here because it takes a second, which no other command should spend.
    tools = importlib.import_module("mitmproxy.tools.main")
    return getattr(tools, tool)([*script, *named, *arguments]) or 0
