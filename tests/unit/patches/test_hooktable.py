from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import addonmanager
from mitmproxy import exceptions
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.patches import hooktable

EVENT = layers.HttpRequestHook(tflow.tflow())


class Recorder:
    def __init__(self, name: str, log: list[str], raises: Exception | None = None) -> None:
        self.name = name
        self.log = log
        self.raises = raises
        self.addons: list[Any] = []

    def request(self, flow: Any) -> None:
        self.log.append(self.name)
        if self.raises:
            raise self.raises


class Later(Recorder):
    async def request(self, flow: Any) -> None:  # type: ignore[override]
        self.log.append(self.name)


class Deaf:
    name = "deaf"


@pytest.fixture
def manager() -> Iterator[addonmanager.AddonManager]:
    with taddons.context(loadcore=False) as context:
        yield context.master.addons


def fill(manager: addonmanager.AddonManager, log: list[str], raises: Exception | None) -> None:
    outer = Recorder("outer", log)
    outer.addons = [Recorder("inner", log, raises), Recorder("last", log)]
    manager.add(Deaf(), outer, Later("later", log))


@pytest.mark.parametrize(
    ("raises", "heard"),
    [
        (None, ["outer", "inner", "last", "later"]),
        (RuntimeError("broken"), ["outer", "inner", "later"]),
        (exceptions.AddonHalt(), ["outer", "inner"]),
    ],
)
async def test_the_same_as_the_stock_manager(
    manager: addonmanager.AddonManager,
    raises: Exception | None,
    heard: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    fill(manager, log, raises)
    await manager.trigger_event(EVENT)
    assert log == heard
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    caplog.clear()
    log.clear()
    table = hooktable.HookTable(manager)
    await manager.trigger_event(EVENT)
    await manager.trigger_event(EVENT)
    assert log == heard * 2
    again = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert again == errors * 2
    table.remove()
    assert "trigger_event" not in vars(manager)


async def test_options_errors_reach_the_caller(manager: addonmanager.AddonManager) -> None:
    fill(manager, [], exceptions.OptionsError("no"))
    hooktable.HookTable(manager)
    with pytest.raises(exceptions.OptionsError):
        await manager.trigger_event(EVENT)


async def test_addons_that_come_and_go(manager: addonmanager.AddonManager) -> None:
    log: list[str] = []
    fill(manager, log, None)
    hooktable.HookTable(manager)
    await manager.trigger_event(EVENT)
    new = Recorder("new", log)
    manager.add(new)
    log.clear()
    await manager.trigger_event(EVENT)
    assert log[-1] == "new"
    manager.remove(new)
    log.clear()
    await manager.trigger_event(EVENT)
    assert log == ["outer", "inner", "last", "later"]
