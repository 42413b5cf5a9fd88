from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from claude_route.cli import supervisor


class Process:
    """Runs until it gets a signal."""

    def __init__(self) -> None:
        self._has_ended = asyncio.Event()

    def terminate(self) -> None:
        self._has_ended.set()

    def send_signal(self, number: int) -> None:
        self._has_ended.set()

    async def wait(self) -> int:
        await self._has_ended.wait()
        return 0


async def test_a_worker_that_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = supervisor.Supervisor([], 2, None, tmp_path)
    failures = [OSError(errno.EAGAIN, "Resource temporarily unavailable")]

    async def start(*_: str, **__: Any) -> Process:
        if failures:
            raise failures.pop()
        made._pass_on(signal.SIGTERM)
        return Process()

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    monkeypatch.setattr(supervisor, "PAUSES", (0.0,))
    ends: list[int] = []
    pipe = os.pipe

    def counted() -> tuple[int, int]:
        ends.extend(both := pipe())
        return both

    monkeypatch.setattr(os, "pipe", counted)
    async with asyncio.timeout(30):
        await made._keep(2)
    assert capsys.readouterr().err == (
        "claude-route up: worker 2 can't be started: Resource temporarily unavailable; another starts in "
        "0 s\n"
    )
    assert len(ends) == 4
    for end in ends:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)


async def test_a_redis_that_cannot_be_started_again_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = supervisor.Supervisor([], 2, None, tmp_path)

    class Redis:
        starts = 0

        async def start(self) -> None:
            self.starts += 1
            if self.starts < 3:
                raise (ChildProcessError("no"), OSError(errno.EAGAIN, "no"))[self.starts - 1]
            made._pass_on(signal.SIGTERM)

        async def wait(self) -> int:
            return 1

    monkeypatch.setattr(supervisor, "PAUSES", (0.0,))
    redis: Any = Redis()
    async with asyncio.timeout(30):
        await made._keep_redis(redis)
    assert redis.starts == 3


def test_where_a_redis_of_our_own_keeps_what_it_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    default, file = state / "claude-route", tmp_path / "file"
    file.touch()
    for setting, folder in (
        ("", default),
        ("ledger: sqlite:///here/ledger.db", tmp_path / "here"),
        (f"ledger: sqlite:///{tmp_path}/there/ledger.db", tmp_path / "there"),
        (f"ledger: sqlite:///{file}/ledger.db", default),
        ("ledger: postgresql://me@127.0.0.1:9/ledger", default),
        ("ledger: off", default),
        ("store: redis://127.0.0.1:9", None),
        ("store: 'off'", None),
        ("no: profile", None),
    ):
        profile = tmp_path / "mine.yaml"
        profile.write_text(
            "providers: {zai: {base_url: http://127.0.0.1:9}}\nmodels: {glm: zai/glm}\n" + setting
        )
        found = supervisor.state_of_redis(["--set", f"profile={profile}"])
        assert found == folder, setting
