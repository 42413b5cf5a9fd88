"""A proxy for one program: on a free loopback port, with a CA and a log of its own."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import certifi

from claude_route import installation
from claude_route.cli import environment
from claude_route.cli import ready

PATIENCE = 60.0
"""Seconds that a start may take, on a slow machine that reads all modules for the first time."""

INTERVAL = 0.02
"""Seconds between looks whether it is up."""

GRACE = 5.0
"""Seconds to close connections in before it is killed."""


class PrivateProxy:
    """Started when made.

    Its CA is made anew each time, in a temporary folder that only this user can read. One that
    lasted would save a fifth of a second, and leave behind a key that can pose as any host to
    whatever trusts it; this one is trusted by one program, for as long as that runs. The confdir of
    other mitmproxies stays untouched.
    """

    def __init__(self, profile: str, mode: Literal["regular", "reverse"], *, web: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="claude-route-"))
        self.log = self.folder / "proxy.log"
        self.confdir = self.folder / "mitmproxy"
        self.ca = self.confdir / "mitmproxy-ca-cert.pem"
        self._ready_file = self.folder / "ready.json"
        spec = {"regular": "regular", "reverse": "reverse:https://api.anthropic.com"}[mode]
        tool = "mitmweb" if web else "mitmdump"
        command = [
            # -P: no module is taken from the working directory.
            *(sys.executable, "-P", "-c", f"from mitmproxy.tools import main; main.{tool}()"),
            *("-s", str(installation.SCRIPTS / "run.py")),
            *("--set", f"profile={profile}"),
            *("--set", f"confdir={self.confdir}"),
            # The system chooses the port when it opens the listener: nobody can take it before.
            *("--mode", f"{spec}@127.0.0.1:0"),
        ]
        if web:
            command += ["--set", f"web_port={free_port()}"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from elsewhere
                command,
                env={**os.environ, ready.READY: str(self._ready_file), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the program, which needs the proxy to the end.
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, look: Callable[[], None]) -> ready.Address:
        """Where it listens, once it does. `look` is called now and then, and may raise.

        Raises:
            ChildProcessError: it ended, or is not up in PATIENCE seconds.
        """
        deadline = time.monotonic() + PATIENCE
        while (address := ready.read(self._ready_file)) is None:
            look()
            if not self.is_running:
                raise ChildProcessError("the proxy could not start")
            if time.monotonic() > deadline:
                raise ChildProcessError(f"the proxy is not up after {PATIENCE:.0f} s")
            time.sleep(INTERVAL)
        return address

    def bundle(self) -> Path:
        """A file with our CA and all that a program would trust without it."""
        usual = next(filter(None, map(os.environ.get, environment.CA_BUNDLES)), None)
        usual = usual or ssl.get_default_verify_paths().cafile or certifi.where()
        return self._joined("bundle.pem", Path(usual))

    def node_extra_cas(self) -> Path:
        """Our CA, and those that the user has Node trust already."""
        if extra := os.environ.get("NODE_EXTRA_CA_CERTS"):
            return self._joined("node-extra-cas.pem", Path(extra))
        return self.ca

    def _joined(self, name: str, others: Path) -> Path:
        try:
            theirs = others.read_bytes()
        except OSError:  # The program would go without it, too.
            theirs = b""
        path = self.folder / name
        path.write_bytes(self.ca.read_bytes() + b"\n" + theirs)
        return path

    def close(self, *, keep_log: bool) -> None:
        """End it, and remove its folder or all of it but the log."""
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        assert self._process.stdin
        self._process.stdin.close()
        if not keep_log:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        shutil.rmtree(self.confdir, ignore_errors=True)
        for path in self.folder.iterdir():
            if path != self.log:
                path.unlink()


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
