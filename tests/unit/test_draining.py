from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import cast

import pytest
from mitmproxy import addonmanager
from mitmproxy import http
from mitmproxy.proxy import mode_specs
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route import draining
from claude_route.access import entrances
from claude_route.access import places
from claude_route.proxy import contract
from tests.unit.store import instances


@contextlib.contextmanager
def started() -> Iterator[taddons.context]:
    with taddons.context() as context:
        yield context
        # Tests that make no context of their own find this one.
        context.master.addons.lookup.clear()


class Servers:
    """Stands for mitmproxy's listeners."""

    is_running = True

    def __init__(self) -> None:
        self.servers = self
        self.is_closed = False

    async def update(self, modes: list[object]) -> bool:
        self.is_closed = not modes
        return True


class One:
    def __init__(self, context: taddons.context, **options: int) -> None:
        self.table = places.Table()
        self.entrance = entrances.Entrance(self.table)
        self.draining = draining.Draining(self.entrance)
        self.servers = Servers()
        context.master.addons.lookup["proxyserver"] = self.servers
        context.master.addons.lookup["draining"] = self.draining
        self.ended = False
        context.master.shutdown = self._end  # type: ignore[method-assign]
        self.draining.load(cast(addonmanager.Loader, Loader(context)))
        context.options.update(**options)

    def _end(self) -> None:
        self.ended = True

    def ask(self, path: str, mode: str = "reverse:http://127.0.0.1:9") -> http.HTTPFlow:
        flow = tflow.tflow(req=tutils.treq(path=path.encode(), method=b"GET"))
        flow.live = True
        flow.client_conn.proxy_mode = mode_specs.ProxyMode.parse(mode)
        self.draining.requestheaders(flow)
        return flow


class Loader:
    def __init__(self, context: taddons.context) -> None:
        self.context = context

    def add_option(self, name: str, kind: type, default: object, about: str) -> None:
        self.context.options.add_option(name, kind, default, about)


REQUEST = cast(contract.RoutedRequest, None)


async def settled(one: One) -> None:
    assert one.draining._task
    await one.draining._task


async def test_nothing_under_way() -> None:
    with started() as context:
        one = One(context)
        assert one.ask("/health").response is None
        one.draining.stop()
        await settled(one)
        assert one.ended
        assert one.servers.is_closed


async def test_what_is_under_way_ends() -> None:
    with started() as context:
        one = One(context)
        one.draining.began(REQUEST)
        one.draining.stop()
        await instances.until(lambda: one.servers.is_closed)
        health = one.ask("/health").response
        assert health and health.status_code == 503
        other = one.ask("/v1/messages").response
        assert other and other.status_code == 503
        assert other.headers["connection"] == "close"
        forward = one.ask("/health", "regular").response
        assert forward and b"being stopped" in (forward.content or b"")
        assert not one.ended
        one.draining.closed(REQUEST, None, None)
        await settled(one)
        assert one.ended


@pytest.mark.parametrize("limit", [0, 1])
async def test_no_longer_than_the_limit(limit: int, caplog: pytest.LogCaptureFixture) -> None:
    with started() as context:
        one = One(context, drain_seconds=limit)
        one.draining.began(REQUEST)
        one.draining.stop()
        await settled(one)
        assert one.ended
        assert "Stopping, which interrupts 1 request" in caplog.text


async def test_a_second_signal_ends_it() -> None:
    with started() as context:
        one = One(context, drain_seconds=60)
        one.draining.began(REQUEST)
        one.draining.stop()
        assert not one.ended
        one.draining.stop()
        assert one.ended
        assert one.draining._task
        one.draining._task.cancel()


async def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "TICK", 0.005)
    monkeypatch.setattr(draining, "QUIET", 0.02)
    with started() as context:
        one = One(context)
        closed: list[str] = []
        entered = [
            one.entrance.enter("127.0.0.1", 5, functools.partial(closed.append, name))
            for name in ("idle", "busy")
        ]
        busy = entered[1]
        assert isinstance(busy, places.Place)
        busy.turn("busy", 0.0)
        one.draining.began(REQUEST)
        one.draining.stop()
        await instances.until(lambda: bool(closed))
        assert closed == ["idle"]
        one.draining.closed(REQUEST, None, None)
        busy.turn("idle", 1.0)
        await settled(one)
        assert closed == ["idle", "busy"]
