"""How an attempt gets its connection, and how it is released."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.proxy import dialing
from tests import clocks
from tests.unit.proxy import drivers

ADDRESS = ("127.0.0.1", 4711)
CLOSED = commands.CloseConnection


class Streams:
    """The streams of one client connection, each with its dialer, without upstreams."""

    def __init__(self, options: Any) -> None:
        self.clock = clocks.Clock()
        self.last_uses = dialing.LastUses(drivers.system(self.clock))
        self.context = context.Context(tflow.tclient_conn(), options)
        self.context.client.alpn = b"http/1.1"
        self.parent = layers.HttpLayer(self.context, layers.HTTPMode.regular)

    def dialer(self) -> dialing.Dialer:
        stream = layers.HttpStream(self.context.fork(), 2 * len(self.parent.streams) + 1)
        stream.flow = tflow.tflow()
        stream.flow.server_conn = connection.Server(address=None)
        clock = drivers.system(self.clock)
        return dialing.Dialer(stream, self.parent, clock, self.last_uses)

    def server(self, *, started: float | None = 0, alpn: bytes = b"http/1.1") -> connection.Server:
        """A connection made that many seconds ago; None: not made yet."""
        server = connection.Server(address=ADDRESS)
        server.timestamp_start = None if started is None else self.clock.now - started
        server.alpn = alpn
        return server

    def connect(self, dialer: dialing.Dialer) -> layers.GetHttpConnection:
        (command,) = dialer.connect(ADDRESS, tls=False)
        assert isinstance(command, layers.GetHttpConnection)
        return command

    def connected(self, dialer: dialing.Dialer, server: connection.Server) -> None:
        """From a new stream to a request sent over `server`."""
        command = self.connect(dialer)
        reply = layers.GetHttpConnectionCompleted(command, (server, None))
        assert returned(dialer.connected(reply)) == ([], server)
        list(dialer.send(tutils.treq()))


def returned(generator: Any) -> tuple[list[commands.Command], Any]:
    """What it yields, and what it returns."""
    yielded = []
    try:
        while True:
            yielded.append(next(generator))
    except StopIteration as e:
        return yielded, e.value


@pytest.fixture
def streams() -> Iterator[Streams]:
    with taddons.context() as tctx:
        yield Streams(tctx.options)


def test_each_attempt_has_an_id_of_its_own(streams: Streams) -> None:
    first, second = streams.dialer(), streams.dialer()
    ids = []
    for dialer in (first, second, first):
        streams.connect(dialer)
        ids.append(dialer.attempt_id)
    assert len(set(ids)) == 3
    assert all(attempt_id and attempt_id >= dialing.FIRST_ATTEMPT_ID for attempt_id in ids)
    assert streams.parent.streams.keys() >= set(ids[1:])


def test_the_stream_is_not_paused_for_a_connection(streams: Streams) -> None:
    command = streams.connect(streams.dialer())
    assert command.blocking
    assert command.blocking is not True


@pytest.mark.parametrize(
    ("made", "used", "is_stale"),
    [
        pytest.param(0, None, False, id="new"),
        pytest.param(9, None, True, id="kept, never used by an attempt"),
        pytest.param(9, 5, True, id="kept, idle"),
        pytest.param(9, dialing.IDLE, True, id="kept, just idle"),
        pytest.param(9, dialing.IDLE - 0.1, False, id="kept, in use until now"),
    ],
)
def test_a_connection_that_was_kept_idle_may_be_stale(
    streams: Streams, made: float, used: float | None, is_stale: bool
) -> None:
    dialer, server = streams.dialer(), streams.server(started=made)
    if used is not None:
        streams.clock.now -= used
        streams.last_uses.note(server)
        streams.clock.now += used
    streams.connected(dialer, server)
    assert dialer.connection_may_be_stale == is_stale


def test_a_connection_made_for_another_stream_may_be_stale(streams: Streams) -> None:
    streams.parent.waiting_for_establishment[streams.server()] = []
    dialer = streams.dialer()
    streams.connect(dialer)
    assert dialer.connection_may_be_stale


def test_a_refusal_is_forgotten(streams: Streams) -> None:
    server, elsewhere = streams.server(), connection.Server(address=("127.0.0.1", 4712))
    for refused in (server, elsewhere):
        refused.error = "refused"
        streams.parent.connections[refused] = layers.HttpStream(streams.context.fork(), 1)
    streams.connect(streams.dialer())
    assert (server.error, elsewhere.error) == (None, "refused")


def test_why_there_is_no_connection(streams: Streams) -> None:
    dialer = streams.dialer()
    reply = layers.GetHttpConnectionCompleted(streams.connect(dialer), (None, "refused"))
    assert returned(dialer.connected(reply)) == ([], "refused")


@pytest.mark.parametrize(
    ("client", "upstream", "closed"),
    [(b"h2", b"http/1.1", [CLOSED]), (b"h2", b"h2", []), (b"http/1.1", b"http/1.1", [])],
)
def test_a_connection_that_comes_too_late(
    streams: Streams, client: bytes, upstream: bytes, closed: list[type]
) -> None:
    streams.context.client.alpn = client
    dialer, server = streams.dialer(), streams.server(alpn=upstream)
    command = streams.connect(dialer)
    assert list(dialer.abandon()) == []
    yielded, result = returned(
        dialer.connected(layers.GetHttpConnectionCompleted(command, (server, None)))
    )
    assert result is None
    assert [type(command) for command in yielded] == closed


def test_a_connection_that_takes_too_long_is_closed(streams: Streams) -> None:
    dialer, server = streams.dialer(), streams.server()
    streams.parent.waiting_for_establishment[server] = [streams.connect(dialer)]
    yielded, is_given_up = returned(dialer.give_up_connecting())
    assert is_given_up
    assert [type(command) for command in yielded] == [CLOSED]


def test_one_that_is_queued_is_left_in_the_queue(streams: Streams) -> None:
    dialer, server = streams.dialer(), streams.server(started=None)
    streams.parent.waiting_for_establishment[server] = [streams.connect(dialer)]
    assert returned(dialer.give_up_connecting()) == ([], False)


def test_through_a_proxy_none_is_taken_for_queued(streams: Streams) -> None:
    dialer, server = streams.dialer(), streams.server(started=None)
    dialer._stream.flow.server_conn.via = ("http", ("127.0.0.1", 3128))
    streams.parent.waiting_for_establishment[server] = [streams.connect(dialer)]
    _, is_given_up = returned(dialer.give_up_connecting())
    assert is_given_up


def test_it_is_left_open_while_another_stream_waits_for_it(streams: Streams) -> None:
    first, second, server = streams.dialer(), streams.dialer(), streams.server()
    waiting = [streams.connect(first), streams.connect(second)]
    streams.parent.waiting_for_establishment[server] = waiting
    assert returned(first.give_up_connecting()) == ([], True)
    list(first.abandon())
    yielded, _ = returned(second.give_up_connecting())
    assert [type(command) for command in yielded] == [CLOSED], "the first waits no longer"


def test_an_attempt_that_is_abandoned_is_cancelled_once(streams: Streams) -> None:
    dialer, server = streams.dialer(), streams.server()
    streams.connected(dialer, server)
    (command,) = dialer.abandon()
    assert isinstance(command, layers.SendHttp)
    assert command.connection is server
    assert isinstance(command.event, layers.RequestProtocolError)
    assert command.event.stream_id == dialer.attempt_id
    assert dialer.attempt_id not in streams.parent.streams
    assert list(dialer.abandon()) == []
    assert streams.last_uses.idle(server, at=streams.clock.now) == 0


def test_nothing_is_cancelled_that_was_not_sent_or_has_ended(streams: Streams) -> None:
    dialer = streams.dialer()
    assert list(dialer.abandon()) == [], "before the first attempt"
    streams.connect(dialer)
    assert list(dialer.abandon()) == []
    streams.connected(dialer, streams.server())
    dialer.ended()
    assert list(dialer.abandon()) == []


def test_a_released_attempt_counts_as_a_use_only_if_it_is_noted(streams: Streams) -> None:
    dialer, server = streams.dialer(), streams.server()
    streams.connected(dialer, server)
    assert dialer.release()
    dialer.note_use()
    assert streams.last_uses.idle(server, at=streams.clock.now) == streams.clock.now


@pytest.mark.parametrize(
    ("client", "upstream", "closed"),
    [
        (b"http/1.1", b"h2", [CLOSED]),
        (b"h2", b"h2", []),
        (b"http/1.1", b"http/1.1", []),
        (b"h2", b"http/1.1", []),
    ],
)
def test_a_silent_http2_connection_is_closed_unless_it_is_shared(
    streams: Streams, client: bytes, upstream: bytes, closed: list[type]
) -> None:
    streams.context.client.alpn = client
    dialer = streams.dialer()
    streams.connected(dialer, streams.server(alpn=upstream))
    list(dialer.abandon())
    assert [type(command) for command in dialer.discard()] == closed


def test_uses_are_kept_no_longer_than_connections(streams: Streams) -> None:
    streams.last_uses.note(streams.server())
    gc.collect()
    assert not streams.last_uses._times
