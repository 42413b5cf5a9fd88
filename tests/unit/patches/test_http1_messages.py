from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h11
import pytest
from h11 import _receivebuffer
from mitmproxy import http
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _base
from mitmproxy.proxy.layers.http import _events
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.patches import http1_messages


def refused(why: str) -> http.Response:
    return http.Response.make(400, why)


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    undo = http1_messages.install(refused)
    yield
    undo()


def read(*pieces: bytes) -> tuple[bytes, bool, bytes]:
    """The body of a message that comes in these pieces, whether it has come to its end, and what is left."""
    reader, buf = http1_messages.Chunks(), _receivebuffer.ReceiveBuffer()
    body = b""
    for piece in pieces:
        buf += piece
        while event := reader(buf):
            if isinstance(event, h11.EndOfMessage):
                assert not event.headers
                return body, True, bytes(buf)
            body += event.data
    return body, False, bytes(buf)


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"1\r\nh\r\n4\r\nello\r\n000\r\n\r\n", b"hello"),
        (b'A;name="value"\r\n\r\n5\r\nhello\r\n0;last\r\n\r\n', b"\r\n5\r\nhello"),
        (b"5 \r\nhello\r\n0\r\nserver-timing: a\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\na: b\r\nc: d\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n", b"hello"),
    ],
)
def test_a_body_cut_anywhere(wire: bytes, body: bytes) -> None:
    after = b"GET / HTTP/1.1\r\n\r\n"
    assert read(wire + after) == (body, True, after)
    assert read(*(wire[at : at + 1] for at in range(len(wire)))) == (body, True, b"")
    for cut in range(len(wire)):
        assert read(wire[:cut], wire[cut:] + after) == (body, True, after)
        assert not read(wire[:cut])[1]


@pytest.mark.parametrize(
    "wire",
    [
        b"x\r\n",
        b"\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"11111111111111111\r\n",
        b"5\r\nhelloworld\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"0\r\n\n",
        b"1" * (http1_messages.MAX_LINES + 1),
        b"1;" + b"x" * http1_messages.MAX_LINES,
        b"0\r\na: " + b"x" * http1_messages.MAX_LINES,
    ],
)
def test_what_makes_no_sense(wire: bytes) -> None:
    for size in (len(wire), 1 if len(wire) < 100 else 5000):
        with pytest.raises(h11.RemoteProtocolError, match=r"^malformed chunks$"):
            read(*(wire[at : at + size] for at in range(0, len(wire), size)))


def test_what_a_read_brings_is_one_event() -> None:
    reader, buf = http1_messages.Chunks(), _receivebuffer.ReceiveBuffer()
    buf += b"1\r\nx\r\n" * 1000
    event = reader(buf)
    assert isinstance(event, h11.Data) and event.data == b"x" * 1000
    assert reader(buf) is None


def test_an_end_in_the_middle() -> None:
    with pytest.raises(h11.RemoteProtocolError, match="was closed"):
        http1_messages.Chunks().read_eof()


class Conversation:
    """One side's connection, and what mitmproxy does with what comes over it."""

    def __init__(self, kind: type[_http1.Http1Connection]) -> None:
        whole = context.Context(tflow.tclient_conn(), options.Options())
        whole.server = tflow.tserver_conn()
        self.connection: Any = kind(whole)  # type: ignore[call-arg]
        self.done: list[commands.Command] = []
        self._handle(events.Start())

    def _handle(self, event: events.Event) -> None:
        self.done += list(self.connection.handle_event(event))

    def send(self, event: layers.HttpEvent) -> None:
        self._handle(event)

    def receive(self, data: bytes) -> None:
        self._handle(events.DataReceived(self.connection.conn, data))

    @property
    def received(self) -> list[layers.HttpEvent]:
        return [each.event for each in self.done if isinstance(each, _base.ReceiveHttp)]

    @property
    def sent(self) -> bytes:
        return b"".join(each.data for each in self.done if isinstance(each, commands.SendData))


@pytest.fixture
def client() -> Conversation:
    return Conversation(_http1.Http1Server)


@pytest.fixture
def upstream() -> Conversation:
    made = Conversation(_http1.Http1Client)
    made.send(layers.RequestHeaders(1, tutils.treq(), end_stream=True))
    made.send(layers.RequestEndOfMessage(1))
    return made


POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def kinds(conversation: Conversation) -> list[str]:
    return [type(event).__name__ for event in conversation.received]


def test_a_request_with_trailers(client: Conversation) -> None:
    client.receive(POST + b"5\r\nhello\r\n0\r\nx: 1\r\n\r\n")
    assert kinds(client) == ["RequestHeaders", "RequestData", "RequestEndOfMessage"]
    assert not client.sent


def test_a_response_with_trailers(upstream: Conversation) -> None:
    upstream.receive(OK + b"5\r\nhello\r\n0\r\nx: 1\r\n\r\n")
    assert kinds(upstream) == ["ResponseHeaders", "ResponseData", "ResponseEndOfMessage"]


def test_a_request_that_makes_no_sense_is_answered(client: Conversation) -> None:
    client.receive(POST + b"nonsense\r\n")
    assert client.sent.startswith(b"HTTP/1.1 400 ")
    *_, closed, error = client.done
    assert isinstance(closed, commands.CloseConnection)
    assert isinstance(error, _base.ReceiveHttp)
    assert isinstance(error.event, layers.RequestProtocolError)
    assert "nonsense" not in error.event.message


def test_a_response_that_makes_no_sense_is_an_error(upstream: Conversation) -> None:
    before = upstream.sent
    upstream.receive(OK + b"nonsense\r\n")
    assert kinds(upstream) == ["ResponseHeaders", "ResponseProtocolError"]
    assert upstream.sent == before


@pytest.mark.parametrize("cut", range(60))
def test_interim_responses_are_dropped(upstream: Conversation, cut: int) -> None:
    wire = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    )
    upstream.receive(wire[:cut])
    upstream.receive(wire[cut:])
    (head, data, end) = upstream.received
    assert isinstance(head, layers.ResponseHeaders) and head.response.status_code == 200
    assert isinstance(data, layers.ResponseData) and data.data == b"ok"
    assert isinstance(end, layers.ResponseEndOfMessage)


def test_a_switch_of_protocols_is_final(upstream: Conversation) -> None:
    upstream.connection.request.headers["upgrade"] = "websocket"
    upstream.receive(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    (head, *_) = upstream.received
    assert isinstance(head, layers.ResponseHeaders) and head.response.status_code == 101


@pytest.mark.parametrize(("version", "field"), [("HTTP/1.1", "x"), ("HTTP/2.0", "upgrade")])
def test_a_switch_of_protocols_that_can_not_be(
    upstream: Conversation, version: str, field: str
) -> None:
    upstream.connection.request.headers[field] = "websocket"
    upstream.connection.request.http_version = version
    upstream.receive(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert kinds(upstream) == ["ResponseProtocolError"]


def test_interim_responses_without_end(upstream: Conversation) -> None:
    for _ in range(http1_messages.MAX_INTERIM):
        upstream.receive(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert not upstream.received
    upstream.receive(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert kinds(upstream) == ["ResponseProtocolError"]


def test_headers_without_end(upstream: Conversation) -> None:
    upstream.receive(b"HTTP/1.1 200 OK\r\nx: " + b"x" * http1_messages.MAX_HEADERS)
    assert kinds(upstream) == ["ResponseProtocolError"]
    assert any(isinstance(each, commands.CloseConnection) for each in upstream.done)


def test_trailers_of_http2_messages_are_dropped(
    client: Conversation, upstream: Conversation
) -> None:
    before = upstream.sent
    upstream.send(_events.RequestTrailers(1, http.Headers()))
    assert upstream.sent == before
    client.receive(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    client.send(layers.ResponseHeaders(1, tutils.tresp(headers=http.Headers())))
    before = client.sent
    client.send(_events.ResponseTrailers(1, http.Headers()))
    assert client.sent == before


def test_it_can_be_undone() -> None:
    before = _http1.Http1Server.send, _http1.make_body_reader, _http1.Http1Connection.read_body
    http1_messages.install(refused)()
    after = _http1.Http1Server.send, _http1.make_body_reader, _http1.Http1Connection.read_body
    assert after == before


@pytest.mark.parametrize(
    ("version", "headers", "end_stream", "expected"),
    [
        ("HTTP/2.0", {}, False, b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        ("HTTP/3", {}, False, b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        ("HTTP/2.0", {"content-length": "2"}, False, b"content-length: 2\r\n\r\nhi"),
        ("HTTP/2.0", {}, True, b"\r\n\r\n"),
        ("HTTP/1.1", {"content-length": "2"}, False, b"content-length: 2\r\n\r\nhi"),
    ],
)
def test_a_body_has_an_end(
    version: str, headers: dict[str, str], end_stream: bool, expected: bytes
) -> None:
    ctx = context.Context(tflow.tclient_conn(), options.Options())
    request = tutils.treq(
        http_version=version.encode(), headers=http.Headers(x_a="b"), authority=b"x"
    )
    for name, value in headers.items():
        request.headers[name] = value
    data = b"" if end_stream else b"hi"
    sent = b""
    connection = _http1.Http1Client(ctx)
    for event in (
        _events.RequestHeaders(1, request, end_stream),
        *([] if end_stream else [_events.RequestData(1, b""), _events.RequestData(1, data)]),
        _events.RequestEndOfMessage(1),
    ):
        for command in connection.send(event):
            assert isinstance(command, commands.SendData)
            sent += command.data
    assert sent.endswith(expected)
    assert (b"transfer-encoding" in sent) == (b"transfer-encoding" in expected)
    assert "transfer-encoding" not in request.headers
