from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from claude_route import limiting
from claude_route.access import entrances
from claude_route.access import limits
from claude_route.access import places


@pytest.fixture
def table() -> places.Table:
    return places.Table()


@pytest.fixture
def addon(table: places.Table) -> limiting.Limiting:
    return limiting.Limiting(table, entrances.Entrance(table, limits.Meter()))


def test_the_options_are_the_limits(addon: limiting.Limiting, table: places.Table) -> None:
    with taddons.context(addon) as tctx:
        tctx.configure(addon, max_connections=7, max_head_size=8, shared_addresses=["10.0.0.0/8"])
        assert table.limits.connections == 7
        assert table.limits.head_size == 8192
        assert str(table.limits.shared_addresses[0]) == "10.0.0.0/8"


def test_their_defaults_are_the_limits(addon: limiting.Limiting, table: places.Table) -> None:
    with taddons.context(addon) as tctx:
        tctx.configure(addon, max_connections=limits.Limits.connections)
        assert table.limits == limits.Limits()


def test_a_shorter_tcp_timeout_holds(addon: limiting.Limiting, table: places.Table) -> None:
    with taddons.context(addon) as tctx:
        tctx.configure(addon, tcp_timeout=3)
        assert (table.limits.head_time, table.limits.body_time) == (3, 3)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_connections": 0}, "max_connections: expected a number of at least 1, got 0"),
        ({"max_connections_per_address": -1}, "expected a number of at least 0"),
        ({"shared_addresses": ["x"]}, "shared_addresses: expected an address or a network"),
    ],
)
def test_an_option_that_can_not_be(
    addon: limiting.Limiting, options: dict[str, Any], error: str
) -> None:
    with taddons.context(addon) as tctx, pytest.raises(exceptions.OptionsError, match=error):
        tctx.configure(addon, **options)


def test_those_who_are_late_are_closed_once(table: places.Table) -> None:
    closed: list[int] = []
    place = table.enter("192.0.2.1", 5, lambda: closed.append(1), 0)
    assert isinstance(place, places.Place)
    place.receives(1)
    hits: list[str] = []
    for now in (31, 33, 40):
        limiting.close_late(table, lambda name, why: hits.append(name), now)
    assert closed == [1]
    assert hits == ["head_time"]


async def test_a_want_of_files_is_no_traceback(
    addon: limiting.Limiting, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    others: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, problem: others.append(problem))
    with taddons.context(addon):
        addon.running()
        for _ in range(3):
            loop.call_exception_handler({"message": limiting.OUT_OF_FILES})
        loop.call_exception_handler({"message": "another"})
        addon.done()
    assert [each["message"] for each in others] == ["another"]
    assert caplog.text.count("ulimit -n") == 1
    loop.set_exception_handler(before)
