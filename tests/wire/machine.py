"""A throwaway copy of this machine, to install things in: its own file system, network, processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.wire import proxies

SYSTEMCTL = Path(__file__).parent / "fake_systemctl.py"

TIMEOUT = 180
"""Seconds for a command."""

SETUP = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/copy"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/copy"
mount --rbind /dev "$1/copy/dev"
mount -t tmpfs tmpfs "$1/copy/run"
mkdir -p "$1/copy/run/lock"
mount -t proc proc "$1/copy/proc"
ip link set lo up
printf '#!/bin/sh\\nexec "%s" "%s" "$@"\\n' "$2" "$3" >"$1/copy/usr/local/bin/systemctl"
chmod 755 "$1/copy/usr/local/bin/systemctl"
rm -rf "$1/copy/opt/claude-route"
# Users other than root have to reach this Python.
folder=$2
while [ "$folder" != / ]; do folder=$(dirname "$folder"); chmod go+x "$1/copy$folder"; done
touch "$1/copy/run/ready"
exec chroot "$1/copy" sleep infinity
"""


def why_not() -> str:
    """Why this machine can't have one; empty if it can."""
    if os.geteuid() != 0:
        return "only root can make another file system"
    for program in ("unshare", "nsenter", "ip", "runuser"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return ""


class Machine:
    """What is changed in it lies in memory, and is gone at its end. From it, nothing reaches a network."""

    def __init__(self, python: str) -> None:
        """`python` is the one that plays systemd."""
        self.folder = tempfile.mkdtemp(prefix="machine-")
        self._outer = subprocess.Popen(
            [
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", SETUP, "sh", self.folder, python, str(SYSTEMCTL)),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._pid = 0
        try:
            proxies.wait_until(self._is_ready)
        except AssertionError:
            self.close()
            raise

    def _is_ready(self) -> bool:
        if self._outer.poll() is not None:
            assert self._outer.stderr
            pytest.skip(f"no overlay here: {self._outer.stderr.read().decode()}")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text()
        if children:
            self._pid = int(children.split()[0])
        return bool(children) and Path(f"/proc/{self._pid}/cwd/run/ready").exists()

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root, with what it prints in `stdout`."""
        enter = ("nsenter", "--target", str(self._pid), "--mount", "--net", "--pid", "--")
        return subprocess.run(
            [
                *(*enter, "chroot", f"{self.folder}/copy"),
                *("env", "-i", *command_environ(environ), *command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def shell(self, script: str, **environ: str) -> str:
        """What a script prints that succeeds."""
        ended = self.run("sh", "-ec", script, **environ)
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def close(self) -> None:
        self._outer.kill()  # with all that runs in it
        self._outer.wait()
        if self._outer.stderr:
            self._outer.stderr.close()
        Path(self.folder).rmdir()


def command_environ(environ: dict[str, str]) -> list[str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return [f"{key}={value}" for key, value in {"PATH": path, "HOME": "/", **environ}.items()]
