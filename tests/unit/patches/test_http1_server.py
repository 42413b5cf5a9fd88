from __future__ import annotations

from mitmproxy import options
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow

from claude_route.patches import http1_server


class Server(layers.Http1Server):
    """Another class in place of mitmproxy's."""


def made() -> object:
    around = context.Context(tflow.tclient_conn(), options.Options())
    layer = layers.HttpLayer(around, layers.HTTPMode.regular)
    around.client.alpn = b"http/1.1"
    list(layer.handle_event(events.Start()))
    return layer.connections[around.client]


def test_servers_are_ours_until_it_is_undone() -> None:
    uninstall = http1_server.install(Server)
    try:
        assert type(made()) is Server
    finally:
        uninstall()
    assert type(made()) is layers.Http1Server
