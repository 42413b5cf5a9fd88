from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from mitmproxy import exceptions
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.test import taddons

from claude_route import endurance
from claude_route.access import limits
from claude_route.wire import http2_frames
from tests import clocks


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> limits.Meter:
    meter = limits.Meter()
    monkeypatch.setattr(limits, "meter", meter)
    return meter


@pytest.fixture
def clock() -> clocks.Clock:
    return clocks.Clock()


@pytest.fixture
def enduring(clock: clocks.Clock, meter: limits.Meter) -> endurance.Endurance:
    return endurance.Endurance(clock)


def test_each_limit_is_counted_and_logged_once_a_minute(
    enduring: endurance.Endurance,
    clock: clocks.Clock,
    meter: limits.Meter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        enduring.met(endurance.SEND_TIMEOUT)
    assert len(caplog.records) == 1
    clock.now += 60
    enduring.met(endurance.SEND_TIMEOUT)
    assert len(caplog.records) == 2
    assert meter.counts[endurance.SEND_TIMEOUT] == 4


@pytest.mark.parametrize("name", [endurance.FRAMES, endurance.SEND_TIMEOUT, endurance.LOOKUPS])
def test_options_have_to_be_above_zero(enduring: endurance.Endurance, name: str) -> None:
    with taddons.context(enduring) as tctx:
        with pytest.raises(exceptions.OptionsError, match="above 0"):
            tctx.configure(enduring, **{name: 0})
        tctx.configure(enduring, **{name: 1})


def test_patience_is_an_option(enduring: endurance.Endurance, meter: limits.Meter) -> None:
    with taddons.context(enduring) as tctx:
        assert enduring.patience.seconds == 300
        tctx.configure(enduring, send_timeout=7)
        assert enduring.patience.seconds == 7
        enduring.patience.lost()
        assert meter.counts == {endurance.SEND_TIMEOUT: 1}


def test_frames(enduring: endurance.Endurance, meter: limits.Meter) -> None:
    ping = b"\0\0\x08\6\0\0\0\0\0" + bytes(8)
    with taddons.context(enduring) as tctx:
        tctx.configure(enduring, http2_frames=3)
        client = endurance.Frames(enduring, from_client=True)
        assert client.feed(bytes(http2_frames.PREFACE) + ping * 3) == ""
        assert client.feed(ping) == endurance.FRAMES
        upstream = endurance.Frames(enduring, from_client=False)
        assert upstream.feed(ping * 3) == ""
        upstream.earn(http2_frames.SMALL, is_end=False)
        assert upstream.feed(ping * 2) == ""
        upstream.expanded()
    assert meter.counts == {endurance.FRAMES: 1, "http2_headers": 1}
    assert set(meter.counts) <= set(endurance.LINES)


async def test_names_are_looked_up_in_threads_of_their_own(
    enduring: endurance.Endurance,
) -> None:
    loop = asyncio.get_running_loop()
    with taddons.context(enduring):
        enduring.running()
        assert "getaddrinfo" in vars(loop)
        assert await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert endurance.client_address() is None
        enduring.done()
    assert await loop.getaddrinfo("127.0.0.1", 80)


def test_what_is_installed_can_be_undone(enduring: endurance.Endurance) -> None:
    before = _http2.BufferedH2Connection
    undo = enduring.install()
    assert _http2.BufferedH2Connection is not before
    undo()
    assert _http2.BufferedH2Connection is before
