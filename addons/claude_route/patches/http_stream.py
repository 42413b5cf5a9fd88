"""Replaces mitmproxy's HTTP stream.

Replaces: `HttpLayer.make_stream`.
Why: no hook can send a request a second time, as failover must.
Remove when: mitmproxy lets an addon choose the class of a stream, such as `HttpLayer.stream_class`.
Upstream: https://github.com/mitmproxy/mitmproxy/issues/246 and
https://github.com/mitmproxy/mitmproxy/issues/3813, about the need; none about the class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http as layers

type MakeStream = Callable[[context.Context, int, layers.HttpLayer], layers.HttpStream]
"""Context, stream id and parent layer -> the stream."""


def install(make: MakeStream) -> Callable[[], None]:
    """Use `make` for every HTTP stream from now on, including replays. Returns a callable that undoes
    it."""
    stock = layers.HttpLayer.make_stream

    @functools.wraps(stock)
    def make_stream(self: layers.HttpLayer, stream_id: int) -> layer.CommandGenerator[None]:
        stream = make(self.context.fork(), stream_id, self)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    layers.HttpLayer.make_stream = make_stream  # type: ignore[method-assign]

    def uninstall() -> None:
        layers.HttpLayer.make_stream = stock  # type: ignore[method-assign]

    return uninstall
