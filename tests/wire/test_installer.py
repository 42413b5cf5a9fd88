"""deploy/install.sh, run in a throwaway copy of this machine with a fake systemctl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import paths
from tests.wire import machine

pytestmark = [
    pytest.mark.wire,
    pytest.mark.skipif(bool(machine.why_not()), reason=machine.why_not()),
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed"),
]

PARTS = ("addons", "profiles", "deploy", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")

RELEASE = "readlink /opt/claude-route/current"
ENV_FILE = "/etc/claude-route/.env"
LEDGER = "/var/lib/claude-route/ledger.db"

HEALTH = f"""{PYTHON} -c '
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:4000/health").read().decode())
'"""


class Installer:
    def __init__(self, folder: Path, uv: str, cache: str) -> None:
        self.source = folder / "clone"
        for part in (*PARTS, ".env.example"):
            path = paths.ROOT / part
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, self.source / part, ignore=ignored)
            else:
                shutil.copy(path, self.source / part)
        folder.chmod(0o755)
        self.environ = {
            "UV": uv,
            "UV_CACHE_DIR": cache,
            "UV_PYTHON": PYTHON,
            "HEALTH_WAIT": "30",
        }
        self.fill_cache(folder)
        self.machine = machine.Machine(PYTHON)
        # Nothing that the copy does may find an index.
        self.environ["UV_OFFLINE"] = "1"

    def fill_cache(self, folder: Path) -> None:
        trial = folder / "trial"
        shutil.copytree(self.source, trial)
        command = [self.environ["UV"], "sync", "--quiet", "--no-editable", "--python", PYTHON]
        environ = {**os.environ, "UV_CACHE_DIR": self.environ["UV_CACHE_DIR"]}
        environ.pop("VIRTUAL_ENV", None)
        ended = subprocess.run(
            command, cwd=trial, env=environ, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            pytest.skip(f"uv finds no packages: {ended.stderr}")
        shutil.rmtree(trial)

    def install(self, *arguments: str, status: int = 0) -> str:
        ended = self.machine.run(
            "bash", str(self.machine_path / "deploy/install.sh"), *arguments, **self.environ
        )
        assert ended.returncode == status, ended.stdout + self.log()
        return ended.stdout

    @property
    def machine_path(self) -> Path:
        return self.source

    def change(self, path: str, old: str, new: str) -> None:
        """Change a file of the version that will be installed next."""
        file = self.source / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def log(self) -> str:
        return self.machine.shell("cat /run/fake-systemd/claude-route.log 2>/dev/null || true")

    def is_answering(self) -> bool:
        return '"version"' in self.machine.shell(f"{HEALTH} || true")

    def restarts(self) -> int:
        calls = self.machine.shell("cat /run/fake-systemd/calls 2>/dev/null || true")
        return [line.split()[0] for line in calls.splitlines()].count("restart")


@pytest.fixture
def installer(tmp_path: Path) -> Iterator[Installer]:
    uv = shutil.which("uv")
    assert uv
    cache = subprocess.run([uv, "cache", "dir"], check=True, capture_output=True, text=True)
    made = Installer(tmp_path, uv, cache.stdout.strip())
    try:
        yield made
    finally:
        made.machine.close()


def test_the_life_of_an_installation(installer: Installer) -> None:
    box = installer.machine

    # Installed, it runs as a user of its own, with a key that only that user and root can read.
    installer.install()
    first = box.shell(RELEASE)
    assert installer.is_answering()
    assert box.shell(f"stat -c '%a %U %G' {ENV_FILE}").split() == ["640", "root", "claude-route"]
    key = box.shell(f"grep ^PROXY_STATIC_TOKEN= {ENV_FILE}").strip().partition("=")[2]
    assert len(key) == 64
    assert key not in installer.log()
    owner = "ps -o user:20= -p $(cat /run/fake-systemd/claude-route.pid)"
    assert box.shell(owner).strip() == "claude-route"
    assert box.shell("find /opt/claude-route -user claude-route") == ""

    # Again: nothing happens to what runs.
    assert "nothing to do" in installer.install()
    assert (box.shell(RELEASE), installer.restarts()) == (first, 1)

    # What an administrator has changed stays, through an upgrade too.
    box.shell(f"sed -i 's/^ZAI_API_KEY=.*/ZAI_API_KEY=theirs/' {ENV_FILE}")
    installer.change("addons/claude_route/__init__.py", '"0.1.0"', '"0.1.1"')
    installer.install()
    second = box.shell(RELEASE)
    assert "0.1.1" in second
    assert installer.is_answering()
    assert "ZAI_API_KEY=theirs" in box.shell(f"cat {ENV_FILE}")

    # One that can't use the profile leaves the one that runs alone.
    box.shell(
        "cp /etc/claude-route/profile.yaml /var/tmp/kept; echo 'what: 1' >>/etc/claude-route/profile.yaml"
    )
    installer.change("addons/claude_route/__init__.py", '"0.1.1"', '"0.1.2"')
    refused = installer.install(status=1)
    assert "nothing was changed" in refused
    assert "what" in refused
    assert (box.shell(RELEASE), installer.restarts()) == (second, 2)
    box.shell("cp /var/tmp/kept /etc/claude-route/profile.yaml")

    # One that doesn't start is rolled back.
    installer.change(
        "addons/claude_route/_script/route.py",
        "from claude_route import app\n",
        "from claude_route import app\n\nraise SystemExit(1)\n",
    )
    installer.environ["HEALTH_WAIT"] = "8"
    abandoned = installer.install(status=1)
    assert "is running again" in abandoned
    assert box.shell(RELEASE) == second
    assert installer.is_answering()

    # So is one that answers for a moment.
    installer.change(
        "addons/claude_route/_script/route.py",
        "raise SystemExit(1)\n",
        "import os, threading\nthreading.Timer(3, os._exit, [1]).start()\n",
    )
    assert "is running again" in installer.install(status=1)
    assert box.shell(RELEASE) == second

    # The version before is a command away, and back again.
    installer.install("--rollback")
    assert box.shell(RELEASE) == first
    assert installer.is_answering()
    installer.install("--rollback")
    assert box.shell(RELEASE) == second

    # Removed, it leaves keys and ledger; purged, nothing.
    for _ in range(2):
        installer.install("--uninstall")
        assert not installer.is_answering()
        assert "ZAI_API_KEY=theirs" in box.shell(f"cat {ENV_FILE}")
    for _ in range(2):
        installer.install("--purge")
    left = "ls -d /opt/claude* /etc/claude* /etc/systemd/system/claude* /etc/default/claude* /var/*/claude-route"
    assert box.shell(f"{left} 2>/dev/null || true; getent passwd claude-route || true") == ""


def test_a_ledger_that_a_newer_version_has_changed(installer: Installer) -> None:
    """Rolled back, the older version writes the copy from before the upgrade."""
    box = installer.machine
    installer.install()
    sql = f"""{PYTHON} -c '
import sqlite3, sys
with sqlite3.connect("{LEDGER}") as ledger:
    for statement in sys.argv[1:]:
        print(ledger.execute(statement).fetchall())
'"""
    # An older ledger, with something in it.
    box.shell(
        f"{sql} 'CREATE TABLE IF NOT EXISTS schema_version (version)' 'INSERT INTO schema_version VALUES (1)'"
        f" 'CREATE TABLE mine (line)' 'INSERT INTO mine VALUES (7)'; chown claude-route {LEDGER}"
    )
    # The newer version migrates it, then fails.
    installer.change(
        "addons/claude_route/_script/route.py",
        "from claude_route import app\n",
        "from claude_route import app\n\nimport sqlite3\n"
        f'with sqlite3.connect("{LEDGER}") as ledger:\n'
        '    ledger.execute("INSERT INTO schema_version VALUES (99)")\n'
        '    ledger.execute("DELETE FROM mine")\n'
        "raise SystemExit(1)\n",
    )
    installer.environ["HEALTH_WAIT"] = "8"
    assert "copy from before" in installer.install(status=1)
    assert installer.is_answering()
    assert "[(1,)]\n[(7,)]" in box.shell(
        f"{sql} 'SELECT max(version) FROM schema_version' 'SELECT line FROM mine'"
    )
    assert json.loads(box.shell(HEALTH))["status"] == "ok"


def test_what_can_not_be_built_is_not_installed(installer: Installer) -> None:
    installer.environ["UV"] = "/bin/false"
    installer.install(status=1)
    assert installer.machine.shell("ls /opt/claude-route/releases") == ""
    assert installer.restarts() == 0


@pytest.mark.parametrize("argument", ["--what", "uninstall"])
def test_an_unknown_argument_changes_nothing(installer: Installer, argument: str) -> None:
    assert "unknown argument" in installer.install(argument, status=1)
    assert installer.restarts() == 0
