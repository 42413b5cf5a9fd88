"""What failover.py leans on in mitmproxy is still there, and still does what it did.

Each name, and each piece of mitmproxy's own code whose inner order matters, is a test of its own: a
newer mitmproxy fails here, by name, before it fails anyone's request.
"""

from __future__ import annotations

import hashlib
import inspect
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy import flow
from mitmproxy import version
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.test import taddons
from mitmproxy.test import tflow

NAMES = {
    "layer": """
        make_stream streams connections command_sources waiting_for_establishment event_to_child
        context.fork context.client.alpn
    """,
    "stream": """
        _handle_event client_state server_state stream_id context.client context.server
        request_body_buf.__len__ response_body_buf.clear make_server_connection send_response
        state_wait_for_request_headers state_consume_request_body state_wait_for_response_headers
        state_done state_errored
    """,
    "wanted": "address tls via transport_protocol blocking connection_spec_matches",
    "upstream": "address alpn error timestamp_start",
    "errors": "CANCEL KILL",
}
"""Of instances, as they are made."""

MADE = {
    layers.DropStream: "stream_id",
    layers.GetHttpConnection: "address tls via transport_protocol",
    layers.GetHttpConnectionCompleted: "command reply",
    layers.HttpErrorHook: "flow",
    layers.HttpResponseHeadersHook: "flow",
    layers.RequestData: "stream_id data",
    layers.RequestEndOfMessage: "stream_id",
    layers.RequestHeaders: "stream_id request end_stream",
    layers.RequestProtocolError: "stream_id message code",
    layers.ResponseData: "stream_id data",
    layers.ResponseEndOfMessage: "stream_id",
    layers.ResponseHeaders: "stream_id response end_stream",
    layers.ResponseProtocolError: "stream_id message code",
    layers.SendHttp: "event connection",
    commands.CloseConnection: "connection",
    commands.RequestWakeup: "delay",
    events.Wakeup: "command",
}
"""What we make, or take apart: the parameters that come first."""


@dataclass(frozen=True)
class Code:
    stock: Any
    digest: str
    relied_on: str


CODE = [
    Code(
        layers.HttpLayer.make_stream,
        "654959c6e745",
        "install() replaces it: whatever it does besides making an HttpStream is missing there",
    ),
    Code(
        layers.HttpLayer.event_to_child,
        "1095f6e1581d",
        "events find their stream by id, before their connection goes on; answers to commands and "
        "wakeups find theirs in command_sources, which finish() changes",
    ),
    Code(
        layers.HttpLayer.get_connection,
        "1aa1c63e3175",
        "answers at once where a connection is there; refuses for the error of an earlier one "
        "(forget_refusals); joins one that is being made (`shared`, give_up_connecting)",
    ),
    Code(
        layers.HttpLayer.register_connection,
        "deed6282affc",
        "towards HTTP/1, an HTTP/2 client's requests share none: connected() closes late ones",
    ),
    Code(
        layers.HttpStream._handle_event,
        "e3cbfef7310a",
        "dispatch() takes some events away from it, stock() hands it the others",
    ),
    Code(
        layers.HttpStream.state_wait_for_request_headers,
        "3706d5d5ce01",
        "ends with the requestheaders hook: if that set a response, the override refuses",
    ),
    Code(
        layers.HttpStream.state_consume_request_body,
        "45459c1bbd8b",
        "nothing is sent when make_server_connection() returns False",
    ),
    Code(
        layers.HttpStream.start_request_stream,
        "46f03368a2a5",
        "asks make_server_connection() for requests that pass through",
    ),
    Code(
        layers.HttpStream.state_wait_for_response_headers,
        "10e32e91b294",
        "commit() and answer() enter there, and may come out killed",
    ),
    Code(
        layers.HttpStream.state_stream_response_body,
        "3fb6320300d3",
        "streaming() hands it data directly, for it asks for nothing that stock() changes",
    ),
    Code(
        layers.HttpStream.send_response,
        "d581bc106152",
        "refuse() calls it for a request that has not been read",
    ),
    Code(
        layers.HttpStream.flow_done,
        "ad9969744785",
        "its DropStream is how stock() learns that all is over",
    ),
    Code(
        layers.HttpStream.check_killed,
        "368cad352d1e",
        "leaves the stream in memory, so that stock() drops it",
    ),
    Code(
        layers.HttpStream.handle_protocol_error,
        "59fc3b2eeeab",
        "client_left() does for requests with attempts what it does for others",
    ),
    Code(
        layers.HttpStream.make_server_connection,
        "ddc7bc72f4d2",
        "connect() asks for a connection as it does, but isn't paused",
    ),
    Code(
        layer.Layer.handle_event,
        "fd88b0fb09ce",
        "pauses a layer only where `blocking is True`, and else asks upwards while it is suspended",
    ),
    Code(
        _http1.Http1Connection.read_body,
        "aece271029af",
        "tells of the end of a message before mark_done() makes the connection ready for the next: "
        "why the next attempt comes by a wakeup",
    ),
    Code(
        _http1.Http1Connection.mark_done,
        "dc5ed395ce4f",
        "a connection is kept only when request and response are done",
    ),
    Code(
        _http1.Http1Client.send,
        "35d961e20d48",
        "a RequestProtocolError closes the connection: how abandon() cancels",
    ),
    Code(
        _http1.Http1Client.read_headers,
        "415454c5fa8b",
        "takes an informational head for the whole answer: why waiting() fails there",
    ),
    Code(
        _http2.Http2Client._handle_event,
        "02de05a5b89f",
        "takes stream ids of any size for its own",
    ),
    Code(
        server.ConnectionHandler.open_connection,
        "5e0b3cbaf7a4",
        "sets timestamp_start once it may connect, not while it is queued behind five others; "
        "answers when it is cancelled then, and only then",
    ),
    Code(
        server.ConnectionHandler.server_event,
        "a2b42657ebe8",
        "carries out what is yielded at once, in order; a wakeup is a task of its own",
    ),
]


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, Any]]:
    with taddons.context() as tctx:
        above = layers.HttpLayer(
            context.Context(tflow.tclient_conn(), tctx.options), layers.HTTPMode.regular
        )
        yield {
            "layer": above,
            "stream": layers.HttpStream(above.context.fork(), 1),
            "wanted": layers.GetHttpConnection(("127.0.0.1", 1), False, None, "tcp"),
            "upstream": connection.Server(address=("127.0.0.1", 1)),
            "errors": layers.ErrorCode,
        }


@pytest.mark.parametrize(
    ("what", "name"), [(what, name) for what, names in NAMES.items() for name in names.split()]
)
def test_a_name_is_there(made: dict[str, Any], what: str, name: str) -> None:
    operator.attrgetter(name)(made[what])


@pytest.mark.parametrize(
    ("kind", "parameters"), MADE.items(), ids=lambda x: getattr(x, "__name__", "")
)
def test_it_is_made_as_before(kind: type, parameters: str) -> None:
    assert list(inspect.signature(kind).parameters)[: len(parameters.split())] == parameters.split()


def test_how_a_killed_flow_is_told() -> None:
    killed = tflow.tflow(live=True)
    killed.kill()
    assert killed.error and killed.error.msg == flow.Error.KILLED_MESSAGE


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.stock.__qualname__)
def test_the_code_behind_it_is_what_it_was(code: Code) -> None:
    source = inspect.getsource(code.stock)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    assert digest == code.digest, (
        f"{code.stock.__module__}.{code.stock.__qualname__} has changed in mitmproxy "
        f"{version.VERSION}. What failover.py relies on there: {code.relied_on}. If that still "
        f"holds, the new digest is {digest}."
    )
