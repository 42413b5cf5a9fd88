from __future__ import annotations

from collections.abc import Iterator

import pytest
from mitmproxy import connection
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.patches import coalesce

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def installed() -> Iterator[None]:
    uninstall = coalesce.install()
    yield
    uninstall()


def answered(*reads: bytes) -> list[list[layers.HttpEvent]]:
    """What an upstream connection tells of an answer that comes in these reads."""
    around = context.Context(tflow.tclient_conn(), options.Options())
    around.server = connection.Server(address=("127.0.0.1", 80))
    around.server.state = connection.ConnectionState.OPEN
    client = layers.Http1Client(around)
    for event in (
        events.Start(),
        layers.RequestHeaders(1, tutils.treq(), True),
        layers.RequestEndOfMessage(1),
    ):
        list(client.handle_event(event))
    return [
        [
            command.event
            for command in client.handle_event(events.DataReceived(around.server, read))
            if isinstance(command, layers.ReceiveHttp)
        ]
        for read in reads
    ]


def shapes(told: list[layers.HttpEvent]) -> list[bytes | str]:
    return [
        event.data if isinstance(event, layers.ResponseData) else type(event).__name__
        for event in told
    ]


def test_the_first_goes_at_once_and_the_rest_of_a_read_is_one_piece(installed: None) -> None:
    (told,) = answered(HEAD + b"1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n")
    assert shapes(told) == ["ResponseHeaders", b"a", b"bcd", "ResponseEndOfMessage"]


def test_nothing_waits_for_the_next_read(installed: None) -> None:
    told = answered(HEAD, b"1\r\na\r\n", b"1\r\nb\r\n1\r", b"\nc\r\n0\r\n", b"\r\n")
    assert [shapes(each) for each in told] == [
        ["ResponseHeaders"],
        [b"a"],
        [b"b"],
        [b"c"],
        ["ResponseEndOfMessage"],
    ]


def test_undone() -> None:
    stock = layers.Http1Client.read_body
    coalesce.install()()
    assert layers.Http1Client.read_body is stock


def test_other_commands_keep_their_place() -> None:
    log = commands.Log("x")
    told = [
        layers.ReceiveHttp(layers.ResponseData(1, b"first")),
        layers.ReceiveHttp(layers.ResponseData(1, b"a")),
        layers.ReceiveHttp(layers.ResponseData(1, b"b")),
        log,
        layers.ReceiveHttp(layers.ResponseData(1, b"c")),
    ]
    _, first, second, third = coalesce.joined(iter(told))
    assert isinstance(first, layers.ReceiveHttp) and isinstance(third, layers.ReceiveHttp)
    assert first.event == layers.ResponseData(1, b"ab")
    assert second is log
    assert third.event == layers.ResponseData(1, b"c")
