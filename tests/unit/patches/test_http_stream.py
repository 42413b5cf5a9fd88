from __future__ import annotations

from mitmproxy import options
from mitmproxy.proxy import context
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow

from claude_route.patches import http_stream


class Stream(layers.HttpStream):
    """Another class in place of mitmproxy's."""


def made() -> layers.HttpStream:
    around = context.Context(tflow.tclient_conn(), options.Options())
    layer = layers.HttpLayer(around, layers.HTTPMode.regular)
    list(layer.make_stream(7))
    stream = layer.streams[7]
    assert isinstance(stream, layers.HttpStream)
    assert stream.stream_id == 7
    return stream


def test_streams_are_ours_until_it_is_undone() -> None:
    uninstall = http_stream.install(lambda context, id, parent: Stream(context, id))
    try:
        assert type(made()) is Stream
    finally:
        uninstall()
    assert type(made()) is layers.HttpStream
