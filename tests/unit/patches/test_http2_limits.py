from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import hyperframe.frame
import pytest
from mitmproxy import http
from mitmproxy import options
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.patches import http2_limits


class Frames:
    """Counts nothing, and refuses what a test wants refused."""

    def __init__(self) -> None:
        self.fed = b""
        self.earned: list[tuple[int, bool]] = []
        self.why = ""
        self.is_expanded = False

    def feed(self, data: bytes) -> str:
        self.fed += data
        return self.why

    def expanded(self) -> None:
        self.is_expanded = True

    def earn(self, size: int, *, is_end: bool) -> None:
        self.earned.append((size, is_end))


class Server:
    """mitmproxy's side of a connection, and a client."""

    def __init__(self, opts: options.Options) -> None:
        whole = context.Context(tflow.tclient_conn(), opts)
        self.layer = layers.Http2Server(whole)
        self.client = h2.connection.H2Connection(h2.config.H2Configuration())
        self.client.initiate_connection()
        self.commands: list[commands.Command] = []
        self.handle(events.Start())
        self.handle(self.received(self.client.data_to_send()))
        self.replies()

    def received(self, data: bytes) -> events.DataReceived:
        return events.DataReceived(self.layer.conn, data)

    def handle(self, event: events.Event) -> list[commands.Command]:
        done = list(self.layer.handle_event(event))
        self.commands += done
        return done

    def frame(self, *frames: hyperframe.frame.Frame) -> list[commands.Command]:
        return self.handle(self.received(b"".join(each.serialize() for each in frames)))

    def replies(self) -> list[Any]:
        """What the client makes of what was sent to it."""
        data = b"".join(each.data for each in self.commands if isinstance(each, commands.SendData))
        self.commands.clear()
        return list(self.client.receive_data(data))

    def ask(self) -> None:
        fields = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "x")]
        self.client.send_headers(1, fields, end_stream=True)
        self.handle(self.received(self.client.data_to_send()))


@pytest.fixture
def made() -> Iterator[list[tuple[bool, Frames]]]:
    made: list[tuple[bool, Frames]] = []

    def make(is_client: bool) -> Frames:
        made.append((is_client, Frames()))
        return made[-1][1]

    undo = http2_limits.install(make)
    yield made
    undo()


@pytest.fixture
def server(made: list[tuple[bool, Frames]]) -> Iterator[Server]:
    with taddons.context(proxyserver.Proxyserver()) as tctx:
        yield Server(tctx.options)


@pytest.fixture
def frames(server: Server, made: list[tuple[bool, Frames]]) -> Frames:
    (is_client, frames) = made[-1]
    assert is_client
    return frames


def test_all_that_comes_is_counted_first(server: Server, frames: Frames) -> None:
    before = frames.fed
    assert before.startswith(b"PRI * HTTP/2.0")
    ping = hyperframe.frame.PingFrame(0, b"12345678")
    server.frame(*[ping] * 2000)
    assert frames.fed == before + ping.serialize() * 2000
    acks = [e for e in server.replies() if isinstance(e, h2.events.PingAckReceived)]
    assert len(acks) == 2000


def test_who_goes_beyond_is_told_to_calm_down(server: Server, frames: Frames) -> None:
    frames.why = "too many frames"
    done = server.frame(hyperframe.frame.PingFrame(0, b"12345678"))
    assert any(isinstance(each, commands.CloseConnection) for each in done)
    (end,) = server.replies()
    assert isinstance(end, h2.events.ConnectionTerminated)
    assert end.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


def test_fields_that_expand(server: Server, frames: Frames) -> None:
    bomb = b"\x40\x01x\x64" + b"y" * 100 + b"\xbe" * 10_000
    server.frame(hyperframe.frame.HeadersFrame(1, bomb, flags=["END_HEADERS"]))
    assert frames.is_expanded
    end = server.replies()[-1]
    assert isinstance(end, h2.events.ConnectionTerminated)
    assert end.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "block", [b"\x7f" + b"\xff" * 16_000, b"\x3f" + b"\xff" * 16_000], ids=["name", "table"]
)
def test_fields_that_cannot_be_read_end_the_connection(server: Server, block: bytes) -> None:
    done = server.frame(hyperframe.frame.HeadersFrame(1, block, flags=["END_HEADERS"]))
    assert any(isinstance(each, commands.CloseConnection) for each in done)
    end = server.replies()[-1]
    assert isinstance(end, h2.events.ConnectionTerminated)
    assert len(end.additional_data or b"") <= http2_limits.MAX_REASON


def test_other_errors_keep_their_code(server: Server) -> None:
    server.frame(hyperframe.frame.DataFrame(7, b"x"))
    end = server.replies()[-1]
    assert isinstance(end, h2.events.ConnectionTerminated)
    assert end.error_code == h2.errors.ErrorCodes.PROTOCOL_ERROR


def test_unknown_frames_are_ignored_without_a_word(server: Server) -> None:
    assert server.frame(hyperframe.frame.ExtensionFrame(0xBB, 0, 0, body=b"x")) == []


def settings(**values: int) -> hyperframe.frame.SettingsFrame:
    codes = {int(h2.settings.SettingCodes[name]): value for name, value in values.items()}
    return hyperframe.frame.SettingsFrame(0, codes)


def test_settings_without_a_bound(server: Server) -> None:
    server.frame(settings(HEADER_TABLE_SIZE=2**32 - 1, MAX_FRAME_SIZE=2**24 - 1))
    assert server.layer.h2_conn.encoder.header_table_size == http2_limits.MAX_TABLE
    assert server.layer.h2_conn.max_outbound_frame_size == http2_limits.MAX_FRAME


def test_smaller_settings_stay(server: Server) -> None:
    server.frame(settings(HEADER_TABLE_SIZE=100, MAX_FRAME_SIZE=2**14))
    assert server.layer.h2_conn.encoder.header_table_size == 100
    assert server.layer.h2_conn.max_outbound_frame_size == 2**14


def test_an_answer_is_earned(server: Server, frames: Frames) -> None:
    server.ask()
    server.handle(layers.ResponseHeaders(1, tutils.tresp(http_version=b"HTTP/2.0")))
    server.handle(layers.ResponseData(1, b"x" * 20_000))
    server.handle(layers.ResponseEndOfMessage(1))
    assert frames.earned == [(16384, False), (3616, False), (0, True)]


def test_the_end_of_large_data_is_sent(server: Server) -> None:
    """mitmproxy's own drops it."""
    server.ask()
    head = tutils.tresp(http_version=b"HTTP/2.0", headers=http.Headers())
    server.handle(layers.ResponseHeaders(1, head))
    server.replies()
    server.layer.h2_conn.send_data(1, b"x" * 20_000, end_stream=True)
    data = server.layer.h2_conn.data_to_send()
    kinds = [type(event) for event in server.client.receive_data(data)]
    assert h2.events.StreamEnded in kinds


def test_it_can_be_undone() -> None:
    before = _http2.BufferedH2Connection
    http2_limits.install(lambda is_client: Frames())()
    assert _http2.BufferedH2Connection is before
