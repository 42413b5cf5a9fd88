from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from mitmproxy import http

from claude_route.proxy import pings
from claude_route.wire import sse
from tests import clocks
from tests.unit.proxy import drivers


class Client:
    """Gets pings."""

    def __init__(self) -> None:
        self.clock = clocks.Timers()
        self.at: list[float] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.pings = pings.Pings(self.clock, self.ping)

    async def ping(self) -> None:
        await self.reads.wait()
        self.at.append(self.clock.now - 1000)

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await drivers.settle()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    made.pings.stop()
    await drivers.settle()
    assert not made.clock.active
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_each_silence_of_15_s_ends_with_one(client: Client) -> None:
    for _ in range(100):
        await client.wait(0.5)
    assert client.at == [15, 30, 45]


async def test_what_is_written_puts_it_off(client: Client) -> None:
    for _ in range(20):
        await client.wait(14)
        client.pings.wrote()
    assert client.at == []
    await client.wait(14.9)
    assert client.at == []
    await client.wait(0.1)
    assert client.at == [295]


async def test_there_is_one_timer_however_much_is_written(client: Client) -> None:
    for _ in range(100):
        client.pings.wrote()
        await client.wait(0.1)
    assert len(client.clock.active) == 1


async def test_none_is_sent_while_another_one_is_under_way(client: Client) -> None:
    client.reads.clear()
    await client.wait(100)
    client.reads.set()
    await drivers.settle()
    assert client.at == [100]
    await client.wait(14.9)
    assert client.at == [100]
    await client.wait(0.1)
    assert client.at == [100, 115]


async def test_a_pause_waits_for_one_that_is_under_way(client: Client) -> None:
    client.reads.clear()
    await client.wait(15)
    pause = asyncio.create_task(client.pings.pause())
    await drivers.settle()
    assert not pause.done()
    client.reads.set()
    await pause
    assert client.at == [15]
    await client.wait(100)
    assert client.at == [15]
    client.pings.resume()
    await client.wait(15)
    assert client.at == [15, 130]


async def test_a_pause_before_any(client: Client) -> None:
    await client.pings.pause()
    await client.pings.pause()
    await client.wait(100)
    assert client.at == []


async def test_it_ends_with_the_stream(client: Client) -> None:
    client.reads.clear()
    await client.wait(15)
    client.pings.stop()
    client.reads.set()
    await client.wait(100)
    assert client.at == []


def test_a_ping_is_one_whole_event() -> None:
    (event,) = sse.Decoder().feed(pings.PING)
    assert (event.name, event.data) == ("ping", b'{"type": "ping"}')


OVERLOADED = (
    b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}'
)


@pytest.mark.parametrize(
    ("status", "body", "why", "kind", "message"),
    [
        (529, OVERLOADED, "529 overloaded_error", "overloaded_error", "Overloaded"),
        (
            502,
            b'{"type":"error","error":{"type":"api_error","message":"zai/glm-5: 503"}}',
            "502 api_error",
            "api_error",
            "zai/glm-5: 503",
        ),
        (503, b"<html><title>503 Down</title></html>", "503 ", "api_error", ""),
        (529, b"", "529 overloaded_error", "overloaded_error", "HTTP 529"),
        (429, b'{"error": "slow down"}', "429 slow down", "rate_limit_error", "slow down"),
        (400, b"[]", "400 invalid_request_error", "invalid_request_error", "HTTP 400"),
    ],
)
def test_a_failure_as_an_event(status: int, body: bytes, why: str, kind: str, message: str) -> None:
    words, wire = pings.failure(http.Response.make(status, body))
    (event,) = sse.Decoder().feed(wire)
    assert words.startswith(why)
    assert event.name == "error"
    error = json.loads(event.data)["error"]
    assert error["type"] == kind
    assert message in error["message"]


def test_anthropics_own_error_stays_as_it_is() -> None:
    _, wire = pings.failure(http.Response.make(529, OVERLOADED))
    assert OVERLOADED in wire


def test_an_error_in_several_lines_is_one_event() -> None:
    pretty = json.dumps(json.loads(OVERLOADED), indent=2).encode()
    (event,) = sse.Decoder().feed(pings.failure(http.Response.make(529, pretty))[1])
    assert json.loads(event.data) == json.loads(OVERLOADED)
