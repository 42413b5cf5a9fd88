from __future__ import annotations

from collections.abc import Iterator

import pytest
from mitmproxy import http
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow

from claude_route.access import limits
from claude_route.access import places
from claude_route.proxy import client_http1
from tests import clocks

BOUNDS = limits.Limits(head_size=1000, head_fields=10, head_time=30, body_time=30, body_rate=100)


class Client:
    """A connection, and what the server does about what comes on it."""

    def __init__(self, clock: clocks.Clock, *, has_place: bool = True) -> None:
        self.clock = clock
        self.table = places.Table(BOUNDS)
        place = self.table.enter("192.0.2.1", 5, lambda: None, clock())
        assert isinstance(place, places.Place)
        self.place = place
        token = places.current.set(place) if has_place else None
        around = context.Context(tflow.tclient_conn(), options.Options())
        self.server = client_http1.BoundedServer(around)
        if token:
            places.current.reset(token)
        self.wakeups: list[commands.RequestWakeup] = []
        self.sent = b""
        self.received: list[layers.HttpEvent] = []
        self.closings: list[commands.CloseConnection] = []
        self.handle(events.Start())

    def handle(self, event: events.Event) -> None:
        for command in self.server.handle_event(event):
            match command:
                case commands.RequestWakeup():
                    self.wakeups.append(command)
                case commands.SendData():
                    self.sent += command.data
                case layers.ReceiveHttp():
                    self.received.append(command.event)
                case commands.CloseConnection():
                    self.closings.append(command)

    def send(self, data: bytes, seconds: float = 0) -> None:
        """What comes after a while in which we waited for it."""
        self.clock.now += seconds
        self.place.waited += seconds
        if data:
            self.place.receives(self.clock())
            self.handle(events.DataReceived(self.server.conn, data))

    def wake(self) -> None:
        """The oldest timer is due."""
        command = self.wakeups.pop(0)
        self.handle(events.Wakeup(command))

    def answer(self, **headers: str) -> None:
        response = http.Response.make(200, b"", headers)
        stream = self.server.stream_id
        self.handle(layers.ResponseHeaders(stream, response, end_stream=True))
        self.handle(layers.ResponseEndOfMessage(stream))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[clocks.Clock]:
    clock = clocks.Clock()
    monkeypatch.setattr(client_http1, "clock", clock)
    monkeypatch.setattr(client_http1, "SPREAD", 0)
    monkeypatch.setattr(limits, "meter", limits.Meter())
    yield clock


@pytest.fixture
def client(clock: clocks.Clock) -> Client:
    return Client(clock)


POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 1000, "head_size"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 1000 + b"\r\n\r\n", "head_size"),
        (b"GET / HTTP/1.1\n" + b"x: a\n" * 11 + b"\n", "head_fields"),
        (b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * 11 + b"\r\n", "head_fields"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 2000])
def test_a_head_too_large(client: Client, wire: bytes, name: str, step: int) -> None:
    for start in range(0, len(wire), step):
        client.send(wire[start : start + step])
    assert client.sent.startswith(b"HTTP/1.1 431 ")
    assert client.sent.count(b"HTTP/1.1") == 1
    assert client.received == []
    assert list(limits.meter.counts) == [name]
    assert client.place.phase == "leaving"


@pytest.mark.parametrize("step", [1, 7, 2000])
def test_a_head_within_its_limits(client: Client, step: int) -> None:
    wire = b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * 10 + b"\r\n"
    for start in range(0, len(wire), step):
        client.send(wire[start : start + step])
    assert isinstance(client.received[0], layers.RequestHeaders)
    assert client.place.phase == "busy"


def test_a_large_body_is_no_head(client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\ncontent-length: 5000\r\n\r\n" + b"\n" * 5000)
    assert isinstance(client.received[-1], layers.RequestEndOfMessage)


def test_a_slow_head(client: Client) -> None:
    client.send(b"GET ")
    client.send(b"/", 29)
    assert [wakeup.delay for wakeup in client.wakeups] == [30]
    client.clock.now += 1
    client.wake()
    assert client.sent.startswith(b"HTTP/1.1 408 ")
    assert b"retry-after" in client.sent


def test_between_requests_there_is_no_hurry(client: Client) -> None:
    client.send(b"GE")
    client.send(b"T / HTTP/1.1\r\n\r\n", 10)
    client.answer()
    assert client.place.phase == "idle"
    client.clock.now += 300
    client.wake()
    client.send(b"GET /")
    assert client.wakeups[0].delay == 30
    client.wake()
    assert client.wakeups[0].delay == 30  # it has 30 s of its own
    assert b" 408 " not in client.sent


def test_a_slow_body(client: Client) -> None:
    client.send(POST)
    client.send(b"123", 29)
    client.clock.now += 1
    client.place.waited += 1.1
    client.wake()
    assert client.sent.startswith(b"HTTP/1.1 408 ")
    assert isinstance(client.received[-1], layers.RequestProtocolError)
    client.answer()  # of whoever asked about the request: it is too late
    assert client.sent.count(b"HTTP/1.1 ") == 1


def test_a_body_for_which_we_did_not_wait(client: Client) -> None:
    """What it is sent to reads slowly."""
    client.send(POST)
    client.clock.now += 1000
    client.wake()
    assert client.sent == b""
    assert client.wakeups[0].delay == 30


def test_bytes_buy_time(client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n")
    client.send(b"a" * 1000, 35)
    client.wake()
    assert client.sent == b""
    assert client.wakeups[0].delay == 5


@pytest.mark.parametrize("piece", [b"0" * 500, b"0\r\nx: y\r\n" + b"x: y\r\n" * 80])
def test_what_is_no_data_of_a_chunked_body(client: Client, piece: bytes) -> None:
    client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    for _ in range(3):
        client.send(piece)
    assert client.sent.startswith(b"HTTP/1.1 431 ")


def test_what_waits_behind_a_request(client: Client) -> None:
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.send(b"GET / HTTP/1.1\r\n\r\n" * 20)
    assert client.place.has_room.is_set()
    client.send(b"GET / HTTP/1.1\r\n\r\n" * 50)
    assert not client.place.has_room.is_set()
    for _ in range(70):
        client.answer()
    assert client.place.has_room.is_set()
    assert client.sent.count(b"HTTP/1.1 200") == 70


def test_a_refused_client_may_send_on_for_a_while(client: Client) -> None:
    client.send(b"a" * 1001)
    (closing,) = client.closings
    assert isinstance(closing, commands.CloseTcpConnection)
    assert closing.half_close
    for _ in range(30):
        client.clock.now += 1
        client.send(b"a" * client_http1.LINGER_RATE)
        client.wake()
    assert len(client.closings) == 1
    client.clock.now += 1
    client.send(b"a" * client_http1.LINGER_RATE)
    client.wake()
    assert len(client.closings) == 2


def test_a_refused_client_that_is_slow_has_read_its_answer(client: Client) -> None:
    client.send(b"a" * 1001)
    client.wake()
    client.send(b"a")
    client.wake()
    assert len(client.closings) == 2


def test_an_early_answer_that_closes_ends_the_body(client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n")
    client.answer(connection="close")
    assert client.place.phase == "leaving"


def test_nothing_is_limited_without_a_place(clock: clocks.Clock) -> None:
    client = Client(clock, has_place=False)
    client.send(b"GET / HTTP/1.1\r\nx: " + b"a" * 10_000)
    assert (client.sent, client.wakeups) == (b"", [])


def test_closed_by_the_client(client: Client) -> None:
    client.send(b"a" * 1001)
    client.handle(events.ConnectionClosed(client.server.conn))
    assert len(client.closings) == 2
