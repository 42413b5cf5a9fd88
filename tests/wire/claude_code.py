"""The real Claude Code client, as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import paths
from tests.wire import proxies

INSTALLED = paths.TOOLS / ".bin" / "claude"
CLAUDE = str(INSTALLED) if INSTALLED.exists() else shutil.which("claude")

needs_claude = pytest.mark.skipif(
    CLAUDE is None,
    reason="Claude Code is not installed: npm install --prefix .tools @anthropic-ai/claude-code",
)

ENVIRON = {"ANTHROPIC_API_KEY": proxies.API_KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

TIMEOUT = 240.0
"""Seconds that it may take to answer."""

SOON = 60.0
"""Seconds until it has shown an error that is final: 2 to 6, where the machine isn't busy. Without `x-should-retry: false` it repeats the request
for three minutes."""


class Claude:
    """Claude Code with its own home and working folder, and no other network."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self.folder = home / "work"
        self.folder.mkdir(parents=True)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), **ENVIRON, **environ}

    def ask(self, prompt: str, *arguments: str) -> str:
        """What `claude -p` prints."""
        assert CLAUDE
        return printed([CLAUDE, "-p", prompt, *arguments], self.folder, self.environ)

    def failure(self, *arguments: str, within: float = SOON) -> str:
        """What `claude -p` prints as it fails, within so many seconds."""
        assert CLAUDE
        began = time.monotonic()
        run = _run([CLAUDE, "-p", "hello", *arguments], self.folder, self.environ)
        took = time.monotonic() - began
        output = run.stdout + run.stderr
        assert run.returncode != 0, output
        assert took < within, output
        return output


def printed(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> str:
    """The output of a command, which must succeed."""
    run = _run(command, folder, environ)
    assert run.returncode == 0, (run.stdout, run.stderr)
    return run.stdout.strip()


def _run(
    command: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def through_the_reverse_listener(proxy: proxies.Proxy) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": proxy.url}


def through_the_tunnel(proxy: proxies.Proxy) -> dict[str, str]:
    ca = proxy.confdir / "mitmproxy-ca-cert.pem"
    return {"HTTPS_PROXY": proxy.proxy_url, "NODE_EXTRA_CA_CERTS": str(ca)}
