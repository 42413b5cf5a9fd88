from __future__ import annotations

import logging
from collections.abc import Awaitable
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import addonmanager
from mitmproxy import exceptions
from mitmproxy.addons import asgiapp
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils

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
        super().request(flow)


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


async def test_one_that_fails_switches_off_no_other(
    manager: addonmanager.AddonManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the same group: all scripts are one."""
    log: list[str] = []
    fill(manager, log, RuntimeError("broken"))
    await manager.trigger_event(EVENT)
    assert log == ["outer", "inner", "later"]
    stock = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    log.clear()
    caplog.clear()
    hooktable.HookTable(manager)
    await manager.trigger_event(EVENT)
    assert log == ["outer", "inner", "last", "later"]
    ours = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert ours == stock != []


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


class Updated(Recorder):
    request = None  # type: ignore[assignment]

    def update(self, flows: Any) -> None:
        self.log.append(self.name)


class Postponed(Recorder):
    def request(self, flow: Any) -> Awaitable[None]:  # type: ignore[override]
        async def rest() -> None:
            self.log.append(self.name)
            if self.raises:
                raise self.raises

        return rest()


async def test_run_does_what_the_stock_manager_does(manager: addonmanager.AddonManager) -> None:
    log: list[str] = []
    manager.add(Recorder("one", log), Updated("update", log))
    flow = tflow.tflow()
    event = layers.HttpRequestHook(flow)
    await manager.handle_lifecycle(event)
    assert log == ["one", "update"]
    table = hooktable.HookTable(manager)
    assert table.run(event, flow)
    assert log == ["one", "update"] * 2
    assert hooktable.run(event, flow)
    assert log == ["one", "update"] * 3
    table.remove()
    assert not hooktable.run(event, flow)
    assert log == ["one", "update"] * 3


@pytest.mark.parametrize("waiting", [Later, Postponed])
@pytest.mark.parametrize(
    ("raises", "heard"),
    [
        (None, ["first", "second", "third", "update"]),
        (RuntimeError("broken"), ["first", "second", "third", "update"]),
        (exceptions.AddonHalt(), ["first", "second", "update"]),
    ],
)
async def test_run_leaves_what_waits_to_a_task(
    manager: addonmanager.AddonManager,
    waiting: type[Recorder],
    raises: Exception | None,
    heard: list[str],
) -> None:
    log: list[str] = []
    second = waiting("second", log, raises)
    manager.add(Recorder("first", log), second, Recorder("third", log), Updated("update", log))
    table = hooktable.HookTable(manager)
    flow = tflow.tflow()
    event = layers.HttpRequestHook(flow)
    for _ in range(2):  # nothing is left of the first time
        assert not table.run(event, flow)
        assert log == ["first"]
        await manager.handle_lifecycle(event)
        assert log == heard
        log.clear()


async def test_run_leaves_an_intercepted_flow_to_a_task(
    manager: addonmanager.AddonManager,
) -> None:
    log: list[str] = []

    class Intercept(Recorder):
        def request(self, flow: Any) -> None:
            super().request(flow)
            flow.intercept()

    manager.add(Intercept("intercept", log), Updated("update", log))
    table = hooktable.HookTable(manager)
    flow = tflow.tflow()
    event = layers.HttpRequestHook(flow)
    assert not table.run(event, flow)
    assert log == ["intercept"]
    await manager.handle_lifecycle(event)
    assert log == ["intercept", "update"]
    assert flow.intercepted


async def test_run_with_an_update_that_waits(manager: addonmanager.AddonManager) -> None:
    log: list[str] = []

    class Slow(Recorder):
        async def update(self, flows: Any) -> None:
            self.log.append("update")

    manager.add(Slow("request", log))
    table = hooktable.HookTable(manager)
    flow = tflow.tflow()
    event = layers.HttpRequestHook(flow)
    assert not table.run(event, flow)
    assert log == ["request"]
    await manager.trigger_event(event)
    assert log == ["request", "update"]


async def test_an_app_s_hook_is_called_only_for_its_host(
    manager: addonmanager.AddonManager,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    manager.add(asgiapp.ASGIApp(app, "app.example", 80))
    table = hooktable.HookTable(manager)
    for host, is_served in (("elsewhere.example", False), ("app.example", True)):
        flow = tflow.tflow(req=tutils.treq(host=host, port=80))
        event = layers.HttpRequestHook(flow)
        flow.live = True
        assert table.run(event, flow) == (not is_served)
        if is_served:
            await manager.handle_lifecycle(event)
            assert flow.response and flow.response.content == b"served"
