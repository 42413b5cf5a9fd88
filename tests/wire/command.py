"""The command `claude-route`, as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import paths
from tests.wire import claude_code
from tests.wire import proxies

PROFILE = """
providers:
  anthropic: {{base_url: {url}}}
models:
  claude-*: anthropic/claude-*
"""

CURL = (
    *("curl", "--silent", "--show-error", "--fail"),
    *("-H", f"x-api-key: {proxies.API_KEY}", "-H", "anthropic-version: 2023-06-01"),
    *(
        "-d",
        '{"model": "claude-x", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}',
    ),
)
"""Asks a model, at the URL that comes after it."""


class Command:
    """Run with its own home, working and temporary folders."""

    def __init__(self, folder: Path, command: Sequence[str | Path]) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.command = [*map(str, command)]
        path = os.environ["PATH"]
        if claude_code.CLAUDE:
            path = f"{Path(claude_code.CLAUDE).parent}{os.pathsep}{path}"
        self.environ = {
            "PATH": path,
            "HOME": str(folder),
            "TMPDIR": str(self.temporary),
            **claude_code.ENVIRON,
        }

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=4 * proxies.PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def printed(self, *arguments: str, **environ: str) -> str:
        """The command's output; it must succeed."""
        run = self.run(*arguments, **environ)
        assert run.returncode == 0, (run.stdout, run.stderr)
        return run.stdout.strip()

    def write_profile(self, url: str) -> str:
        """A profile whose Anthropic is at this URL; returns its file's name."""
        (self.folder / "p.yaml").write_text(PROFILE.format(url=url))
        return "p.yaml"

    def left_behind(self) -> list[Path]:
        """Of ours: Claude Code has temporary files, too."""
        return list(self.temporary.glob("claude-route-*"))


def in_clone(folder: Path) -> Command:
    command = Command(folder, [sys.executable, "-P", "-m", "claude_route"])
    command.environ["PYTHONPATH"] = str(paths.ROOT / "addons")
    return command
