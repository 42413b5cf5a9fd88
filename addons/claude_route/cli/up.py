"""`claude-route up`: mitmproxy with our addons."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal

from claude_route import installation

type Tool = Literal["mitmdump", "mitmweb", "mitmproxy"]


def up(tool: Tool, profile: str | None, arguments: Sequence[str]) -> int:
    """Run one of mitmproxy's tools to its end; returns its exit status."""
    named = ["--set", f"profile={profile}"] if profile else []
    script = ["-s", str(installation.SCRIPTS / "route.py")]
    # Not at the top: it takes a second that no other command of ours should.
    tools = importlib.import_module("mitmproxy.tools.main")
    return getattr(tools, tool)([*script, *named, *arguments]) or 0
