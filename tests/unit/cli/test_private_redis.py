from __future__ import annotations

from pathlib import Path

import pytest

from claude_route.cli import private_redis
from claude_route.cli import supervisor


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Told as it is: there is no process yet that could be stopped."""
    (tmp_path / "state").touch()
    redis = private_redis.PrivateRedis("redis-server", tmp_path / "state" / "ours", tmp_path)
    with pytest.raises(NotADirectoryError):
        await supervisor.Supervisor([], 2, redis, tmp_path).run()


async def test_a_program_that_ends_at_once(tmp_path: Path) -> None:
    redis = private_redis.PrivateRedis("false", tmp_path, tmp_path)
    with pytest.raises(ChildProcessError, match="false doesn't start: "):
        await redis.start()
    await redis.stop()
