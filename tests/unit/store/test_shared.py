from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from mitmproxy.test import taddons

from claude_route.ledger import location
from claude_route.profile import profiles
from claude_route.store import file
from claude_route.store import shared
from tests import redis_server
from tests.unit import states
from tests.unit.store import instances


async def ended(addon: shared.Store) -> None:
    if stopping := addon.done():
        await stopping


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv(shared.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return location.folder({"XDG_STATE_HOME": str(tmp_path)}) / file.NAME


def exists(path: Path) -> bool:
    return path.exists()


class One:
    def __init__(self, store: str) -> None:
        line = f"store: {store}\n" if store else ""
        text = instances.TEXT % ",".join(instances.SECRETS) + line
        self.state = states.state_of(profiles.parse(text, {}, "profile.yaml"), time.time)
        self.addon = shared.Store(lambda: self.state)


async def test_without_a_store_a_file_remembers(here: Path) -> None:
    with taddons.context():
        one = One("")
        one.addon.running()
        assert one.addon.describe() == f"Store: {here}"
        one.state.pool.rest(2, 600)
        await ended(one.addon)
        again = One("")
        again.addon.running()
        assert [row.state for row in again.state.pool.status()][1] == "resting"
        await ended(again.addon)


async def test_off(here: Path) -> None:
    with taddons.context():
        one = One("off")
        one.addon.running()
        one.state.pool.rest(2, 600)
        await ended(one.addon)
        assert one.addon.describe() == "Store: off"
        assert not exists(here)


async def test_a_profile_that_changes_its_store(
    here: Path, redis: redis_server.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "INTERVAL", 0.01)
    with taddons.context():
        one = One("")
        one.addon.running()
        one.state.pool.rest(2, 600)
        with_store = dataclasses.replace(one.state.profile, store=redis.url)
        one.state = dataclasses.replace(one.state, profile=with_store)
        await instances.until(lambda: one.addon.instance is not None)
        opened = one.addon.instance
        assert opened
        await instances.until(lambda: opened.link.is_up and not opened.link.waiting)
        assert redis.url in one.addon.describe()
        assert exists(here), "what was known was written"
        async with instances.running(redis.url, 1) as (other,):
            await instances.until(lambda: other.state.pool.status()[1].state == "resting")
        without = dataclasses.replace(one.state.profile, store="")
        one.state = dataclasses.replace(one.state, profile=without)
        await instances.until(lambda: one.addon.instance is None)
        assert one.state.sharing.store is None
        await ended(one.addon)


async def test_workers_share_what_the_supervisor_has(
    here: Path, redis: redis_server.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(shared.VARIABLE, redis.url)
    with taddons.context():
        one = One("")
        one.addon.running()
        assert one.addon.instance and one.addon.instance.url == redis.url
        await ended(one.addon)
