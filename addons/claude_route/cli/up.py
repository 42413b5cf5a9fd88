"""`claude-route up`: mitmproxy with our addons."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal

from claude_route import installation
from claude_route.cli import supervisor

type Tool = Literal["mitmdump", "mitmweb", "mitmproxy"]


def up(tool: Tool, profile: str | None, arguments: Sequence[str], workers: int = 1) -> int:
    """Run one of mitmproxy's tools until it ends, in several processes if there are to be several workers.
    Returns its exit status.

    Raises:
        ValueError: mitmproxy can't write its folder. It would end with a traceback, before it loads us. Or
            there can't be several workers.
    """
    if workers > 1 and tool != "mitmdump":
        raise ValueError(
            "--workers: only mitmdump has several; a page has the flows of one process"
        )
    for argument in arguments:
        name, _, folder = argument.partition("=")
        if name == "confdir" and (problem := installation.confdir_problem(folder)):
            raise ValueError(problem)
    named = ["--set", f"profile={profile}"] if profile is not None else []
    script = ["-s", str(installation.SCRIPTS / "route.py")]
    if workers > 1:
        return supervisor.run([*named, *arguments], workers)
    # Imported here because it takes a second, which no other command should spend.
    tools = importlib.import_module("mitmproxy.tools.main")
    return getattr(tools, tool)([*script, *named, *arguments]) or 0
