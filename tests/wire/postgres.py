"""A PostgreSQL server of the machine's, for a test: Debian's package has it in /usr/lib/postgresql."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from simulator import ports

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_FOUND = shutil.which("postgres")
PROGRAMS = _FOLDERS[-1] if _FOLDERS else Path(_FOUND).parent if _FOUND else None

needs_postgres = pytest.mark.skipif(
    PROGRAMS is None, reason="PostgreSQL is not installed: apt-get install postgresql"
)

USER = "postgres" if os.geteuid() == 0 else None
"""It refuses to run as root."""


class Postgres:
    """A server with an empty database, on loopback. `stop` and `start` keep its data."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        if USER:
            shutil.chown(self.folder, USER)
        self.port = ports.free()
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "ledger", "-A", "trust")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://ledger@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        assert PROGRAMS
        with (self.folder / "log.txt").open("ab") as log:
            subprocess.run(
                [str(PROGRAMS / program), *arguments],
                user=USER,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=60,
                check=True,
            )
