"""The names in mitmproxy that the HTTP layer relies on still exist.

Each name is a separate test, so that a newer mitmproxy fails here, by name, before it fails a
user's request. test_digests.py checks the code behind the names whose inner order matters.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy import flow
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import server
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import tls
from mitmproxy.test import taddons
from mitmproxy.test import tflow

NAMES = {
    "layer": """
        make_stream streams connections event_to_child context.fork context.client.alpn
    """,
    "stream": """
        _handle_event client_state server_state stream_id context.client context.server
        context.layers context.options request_body_buf.__len__ response_body_buf.clear
        make_server_connection send_response state_wait_for_request_headers
        state_consume_request_body state_wait_for_response_headers state_stream_response_body
        state_done state_errored handle_connect_finish
        handle_connect_regular handle_connect_upstream mode passthrough _paused _paused_event_queue
    """,
    "handler": (
        "client transports server_event timeout_watchdog.register_activity timeout_watchdog.disarm "
        "timeout_watchdog.timeout"
    ),
    "upstream": """
        address alpn certificate_list cipher error peername sni sockname state timestamp_end
        timestamp_start timestamp_tcp_setup timestamp_tls_setup tls tls_version via
    """,
    "tls": "conn tls",
    "http2": "h2_conn.stream_buffers",
    "errors": "KILL CONNECT_FAILED DESTINATION_UNKNOWN",
    "servers": "_instances",
}
"""Of instances, as they are made."""

MADE = {
    layers.DropStream: "stream_id",
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
    commands.OpenConnection: "connection",
    events.ConnectionEvent: "connection",
    server_hooks.ServerConnectionHookData: "server client",
    server_hooks.ServerConnectHook: "data",
    server_hooks.ServerConnectedHook: "data",
    server_hooks.ServerConnectErrorHook: "data",
    server_hooks.ServerDisconnectedHook: "data",
}
"""What we make, or take apart: the parameters that come first."""


class Handler(server.ConnectionHandler):
    async def handle_hook(self, hook: commands.StartHook) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, Any]]:
    with taddons.context(proxyserver.Proxyserver()) as tctx:
        above = layers.HttpLayer(
            context.Context(tflow.tclient_conn(), tctx.options), layers.HTTPMode.regular
        )
        yield {
            "layer": above,
            "stream": layers.HttpStream(above.context.fork(), 1),
            "handler": Handler(above.context),
            "upstream": connection.Server(address=("127.0.0.1", 1)),
            "tls": tls.ClientTLSLayer(above.context.fork()),
            "http2": layers.Http2Server(above.context.fork()),
            "errors": layers.ErrorCode,
            "servers": tctx.master.addons.get("proxyserver").servers,
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


def test_how_a_killed_flow_is_marked() -> None:
    killed = tflow.tflow(live=True)
    killed.kill()
    assert killed.error and killed.error.msg == flow.Error.KILLED_MESSAGE
