"""Plays `systemctl` where no systemd runs: starts a unit's command as its user, with what of its hardening
a process can take upon itself."""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
RUN = Path("/run/fake-systemd")

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 38, 65


def main(arguments: list[str]) -> int:
    flags = {each for each in arguments if each.startswith("-")}
    command, *units = [each for each in arguments if not each.startswith("-")]
    RUN.mkdir(exist_ok=True)
    with (RUN / "calls").open("a") as calls:
        calls.write(shlex.join(arguments) + "\n")
    for unit in units:
        if command in ("stop", "restart") or (command == "disable" and "--now" in flags):
            stop(unit)
        if command in ("start", "restart"):
            start(unit)
        if command == "is-active" and not is_alive(unit):
            return 3
    return 0


def start(unit: str) -> None:
    settings = read(UNITS / f"{unit}.service")
    user = pwd.getpwnam(settings["User"][-1])
    state = Path("/var/lib") / settings["StateDirectory"][-1]
    state.mkdir(exist_ok=True)
    os.chown(state, user.pw_uid, user.pw_gid)
    environ = {"PATH": os.environ["PATH"], "USER": user.pw_name}
    for line in settings["Environment"]:
        environ |= dict(each.split("=", 1) for each in shlex.split(line))
    file = Path(settings["EnvironmentFile"][-1].removeprefix("-"))
    if file.exists():
        for line in file.read_text().splitlines():
            if line and not line.startswith("#"):
                key, value = line.split("=", 1)
                environ[key] = value
    command: list[str] = []
    for word in shlex.split(settings["ExecStart"][-1]):
        command += environ[word[1:]].split() if word.startswith("$") else [word]
    with (RUN / f"{unit}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=settings["WorkingDirectory"][-1],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            umask=int(settings["UMask"][-1], 8),
            start_new_session=True,
            preexec_fn=harden,
        )
    (RUN / f"{unit}.pid").write_text(str(process.pid))


def harden() -> None:
    """NoNewPrivileges= and MemoryDenyWriteExecute=; a kernel from before 6.3 has no such call."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)


def read(path: Path) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def is_alive(unit: str) -> bool:
    pid = pid_of(unit)
    try:
        # A child of nobody's is a zombie until the machine ends.
        return pid is not None and ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def pid_of(unit: str) -> int | None:
    path = RUN / f"{unit}.pid"
    return int(path.read_text()) if path.exists() else None


def stop(unit: str) -> None:
    pid = pid_of(unit)
    if pid is None or not is_alive(unit):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while is_alive(unit):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
