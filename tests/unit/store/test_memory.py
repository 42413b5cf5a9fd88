from __future__ import annotations

from pathlib import Path

import pytest

from claude_route.dialects import error_body
from claude_route.routing import rotation
from claude_route.store import memory
from tests.clocks import Clock

SECRETS = [f"sk-ant-oat01-store-0000000{n}-tok{n}" for n in range(1, 4)]
REVOKED = error_body.Fault("authentication_error", "OAuth token has been revoked")


class One:
    """A process that remembers."""

    def __init__(self, path: Path, clock: Clock, *secrets: str, source: str = "a") -> None:
        self.pool = rotation.Pool(secrets or SECRETS, clock=clock)
        self.memory = memory.Memory(path, lambda: self.pool, lambda: source, clock)
        self.memory.recall()
        self.pool.listener = self.memory

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.pool.status()]


def test_a_restart_remembers(tmp_path: Path) -> None:
    path, clock = tmp_path / "tokens.json", Clock()
    one = One(path, clock)
    one.pool.learn(one.pool.tokens[0], 429, {"retry-after": "600"})
    one.pool.learn(one.pool.tokens[1], 401, {}, REVOKED)
    one.memory.write()
    assert One(path, clock).states == ["resting", "disabled", "available"]
    # The list has changed: it is the same tokens that rest.
    assert One(path, clock, *SECRETS[::-1]).states == ["available", "disabled", "resting"]
    assert One(path, clock, source="b").states == ["resting", "available", "available"]
    clock.now += 600
    assert One(path, clock).states == ["available", "disabled", "available"]


def test_it_is_written_after_a_change_only(tmp_path: Path) -> None:
    path, clock = tmp_path / "tokens.json", Clock()
    one = One(path, clock)
    one.memory.write()
    headers = {"anthropic-ratelimit-unified-5h-utilization": "0.5"}
    one.pool.learn(one.pool.tokens[0], 200, headers)
    one.memory.write()
    assert not path.exists()
    one.pool.rest(1, 60)
    one.memory.write()
    path.unlink()
    one.memory.write()
    assert not path.exists()
    one.pool.wake(1)
    one.memory.write()
    assert One(path, clock).states == ["available"] * 3


def test_no_file_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    one = One(tmp_path / "file" / "tokens.json", Clock())
    for _ in range(2):
        one.pool.rest(1, 60)
        one.memory.write()
    messages = [record.getMessage() for record in caplog.records]
    assert sum("Cannot write which tokens rest" in message for message in messages) == 1
    assert one.states[0] == "resting"
