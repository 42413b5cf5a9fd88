"""A Redis or Valkey server of the machine's, for a test: Debian's package has it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

needs_redis = pytest.mark.skipif(
    PROGRAM is None, reason="Redis is not installed: apt-get install redis-server"
)

PATIENCE = 20.0
"""Seconds."""


class Redis:
    """A server with an empty database, on a Unix socket. `stop` and `start` keep nothing, unless it writes all
    it does to a file."""

    def __init__(self, *, is_lasting: bool = False, arguments: Sequence[str] = ()) -> None:
        # A path of a socket has 100 characters at most.
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.path = self.folder / "socket"
        self._arguments = [
            *("--port", "0", "--unixsocket", str(self.path), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "yes" if is_lasting else "no"),
            *("--appendfsync", "always", *arguments),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        assert PROGRAM
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE
        while self.ask("PING") != b"+PONG\r\n":
            assert time.monotonic() < deadline, (self.folder / "log.txt").read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        """As a crash would."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """It keeps its connections, and answers nobody until `resume`."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        # It runs on until the signal reaches it.
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def ask(self, command: str) -> bytes:
        """The first part of the answer, as it comes over the wire; empty if it isn't there."""
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            connection.connect(str(self.path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(1_000_000)
        return b""

    def close(self) -> None:
        self.resume()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
