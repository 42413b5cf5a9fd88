"""A Redis or Valkey of the supervisor's own, for workers whose profile names no store.

It listens on a Unix socket that only this user can open, and keeps what it knows in a file.
"""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import signal
import sys
from pathlib import Path

PROGRAMS = ("redis-server", "valkey-server")

FILE = "workers.rdb"

SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of https://man7.org/linux/man-pages/man2/prctl.2.html"""

PATIENCE = 10.0
"""Seconds that its start may take."""


def program() -> str | None:
    """The server's path; None if there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class PrivateRedis:
    """Runs from `start` to `stop`."""

    def __init__(self, executable: str, state: Path, folder: Path) -> None:
        """`state` is the folder for its file, `folder` the one for sockets, which others can't open."""
        self._executable = executable
        self._state = state
        self._socket = folder / "store"
        self._log = folder / "log.txt"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    async def start(self) -> None:
        """Raises:
        OSError: it doesn't start.
        """
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            process = self._process = await asyncio.create_subprocess_exec(
                self._executable,
                *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                *("--dir", str(self._state), "--dbfilename", FILE, "--save", "60 1"),
                *("--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                preexec_fn=_end_with_parent,
                umask=0o077,
                # Ctrl-C in the terminal is for the supervisor: workers still need it.
                start_new_session=True,
            )
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not self._socket.exists():
            late = asyncio.get_running_loop().time() > deadline
            if late or process.returncode is not None:
                last = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
                raise ChildProcessError(f"{self._executable} doesn't start: {last}")
            await asyncio.sleep(0.01)

    async def wait(self) -> int:
        """Wait for its end. Returns its status."""
        assert self._process
        return await self._process.wait()

    async def stop(self) -> None:
        """It saves what it knows."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


def _end_with_parent() -> None:
    """In the new process: have the system end it when the supervisor is killed. Linux only; elsewhere it
    goes on then, and keeps 5 MB."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
