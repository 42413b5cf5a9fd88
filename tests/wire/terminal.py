"""The real Claude Code client as a person sees it: in a terminal, which tmux plays."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.wire import claude_code
from tests.wire import proxies

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

SETTLED = 2.5
"""Seconds after its prompt shows until it takes what is typed."""

SHOWN, TRIES = 40, 3
"""Characters of what is typed that stand in one line, and how often it is typed at most."""


class Terminal:
    """Claude Code with its own home, in a folder that it trusts. A server of tmux's own ends with it."""

    def __init__(self, home: Path, environ: Mapping[str, str], *arguments: str) -> None:
        assert claude_code.CLAUDE
        folder = home / "work"
        folder.mkdir(parents=True)
        known = {
            "hasCompletedOnboarding": True,
            "projects": {str(folder): {"hasTrustDialogAccepted": True}},
        }
        (home / ".claude.json").write_text(json.dumps(known))
        self._socket = f"claude-{uuid.uuid4().hex[:8]}"
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "DISABLE_AUTOUPDATER": "1",
            **environ,
        }
        environment = [f"{name}={value}" for name, value in variables.items()]
        command = shlex.join(["env", "-i", *environment, claude_code.CLAUDE, *arguments])
        size = ("-x", "150", "-y", "50")
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), command)
        self.wait("❯")
        time.sleep(SETTLED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def say(self, text: str) -> None:
        """Type it, and again until it shows: a client that is busy loses keys."""
        shown = " ".join(text.split())[:SHOWN]
        for _ in range(TRIES):
            self._tmux("send-keys", "-l", text)
            with contextlib.suppress(AssertionError):
                proxies.wait_until(lambda: shown in self.screen(), seconds=10)
                break
            self._tmux("send-keys", "C-u")
        time.sleep(0.4)
        self._tmux("send-keys", "Enter")

    def screen(self) -> str:
        """What stands there, with lines that were broken joined."""
        return " ".join(self._tmux("capture-pane", "-p", "-J").split())

    def wait(self, text: str) -> None:
        try:
            proxies.wait_until(lambda: text in self.screen())
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {self.screen()}") from None

    def _tmux(self, *arguments: str) -> str:
        run = subprocess.run(
            ["tmux", "-L", self._socket, *arguments], capture_output=True, text=True, check=False
        )
        return run.stdout
