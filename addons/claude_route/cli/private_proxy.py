"""A proxy for one program: on a free loopback port, with its own CA and log."""

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
"""Seconds that a start may take: a slow machine may be loading all modules for the first time."""

INTERVAL = 0.02
"""Seconds between checks whether the proxy is up."""

GRACE = 5.0
"""Seconds that the proxy has for closing connections before it is killed."""


class PrivateProxy:
    """The constructor starts the proxy.

    Each proxy generates its own CA, in a temporary folder that only this user can read. Keeping one
    would save a fifth of a second, but leave behind a key that can impersonate any host to whoever
    trusts it. Only one program trusts this one, and only while it runs. We don't touch the confdir
    of other mitmproxies.
    """

    def __init__(
        self,
        profile: str,
        mode: Literal["regular", "reverse"],
        *,
        web: bool,
        key: str | None = None,
    ) -> None:
        """`key` is what its client has to present; None: nothing."""
        self.folder = Path(tempfile.mkdtemp(prefix="claude-route-"))
        self.log = self.folder / "proxy.log"
        self.confdir = self.folder / "mitmproxy"
        self.ca = self.confdir / "mitmproxy-ca-cert.pem"
        self._ready_file = self.folder / "ready.json"
        spec = {"regular": "regular", "reverse": "reverse:https://api.anthropic.com"}[mode]
        tool = "mitmweb" if web else "mitmdump"
        command = [
            # -P: import no module from the working directory.
            *(sys.executable, "-P", "-c", f"from mitmproxy.tools import main; main.{tool}()"),
            *("-s", str(installation.SCRIPTS / "run.py")),
            *("--set", f"profile={profile}"),
            *("--set", f"confdir={self.confdir}"),
            # The system chooses the port as it opens the listener, so no other program can take it first.
            *("--mode", f"{spec}@127.0.0.1:0"),
        ]
        if web:
            # The companion opens one, at the page of the session.
            command += ["--set", f"web_port={free_port()}", "--set", "web_open_browser=false"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - all of it is ours
                command,
                env={
                    **os.environ,
                    ready.READY: str(self._ready_file),
                    "PYTHONUNBUFFERED": "1",
                    **({"PROXY_STATIC_TOKEN": key} if key else {}),
                },
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the program, which needs the proxy until it ends.
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, check: Callable[[], None]) -> ready.Address:
        """Wait until the proxy listens, and return its address. Calls `check` repeatedly; it may raise.

        Raises:
            ChildProcessError: the proxy ended, or isn't up after PATIENCE seconds.
        """
        deadline = time.monotonic() + PATIENCE
        while (address := ready.read(self._ready_file)) is None:
            check()
            if not self.is_running:
                raise ChildProcessError("the proxy could not start")
            if time.monotonic() > deadline:
                raise ChildProcessError(f"the proxy is not up after {PATIENCE:.0f} s")
            time.sleep(INTERVAL)
        return address

    def bundle(self) -> Path:
        """A file with our CA and all the CAs that a program would trust without it."""
        usual = next(filter(None, map(os.environ.get, environment.CA_BUNDLES)), None)
        usual = usual or ssl.get_default_verify_paths().cafile or certifi.where()
        return self._joined("bundle.pem", Path(usual))

    def node_extra_cas(self) -> Path:
        """A file with our CA and those in the user's NODE_EXTRA_CA_CERTS."""
        if extra := os.environ.get("NODE_EXTRA_CA_CERTS"):
            return self._joined("node-extra-cas.pem", Path(extra))
        return self.ca

    def _joined(self, name: str, others: Path) -> Path:
        try:
            theirs = others.read_bytes()
        except OSError:  # The program would ignore it too.
            theirs = b""
        path = self.folder / name
        path.write_bytes(self.ca.read_bytes() + b"\n" + theirs)
        return path

    def close(self, *, keep_log: bool) -> None:
        """End the proxy and remove its folder; with `keep_log`, all of the folder but the log."""
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
    """A loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
