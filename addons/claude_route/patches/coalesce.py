"""Joins the chunks that one read brings into one piece of an answer.

Replaces: `Http1Client.read_body`.
Why: mitmproxy makes an event of each chunk of a chunked HTTP/1 answer, and each event passes
through all of its layers and ours. One read of a fast stream brings dozens of chunks: passing the
first on at once and the others as one takes a fraction of the time, and delays none.
Remove when: mitmproxy joins the chunks of one read itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Iterator

from mitmproxy.proxy import commands
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http as layers


def install() -> Callable[[], None]:
    """For every upstream connection from now on; the callable undoes it."""
    stock = layers.Http1Client.read_body

    @functools.wraps(stock)
    def read_body(self: layers.Http1Client, event: events.Event) -> layer.CommandGenerator[None]:
        yield from joined(stock(self, event))

    layers.Http1Client.read_body = read_body  # type: ignore[method-assign, assignment]

    def uninstall() -> None:
        layers.Http1Client.read_body = stock  # type: ignore[method-assign]

    return uninstall


def joined(told: Iterator[commands.Command]) -> Iterator[commands.Command]:
    """The same commands, with the data that follows the first in one."""
    held: list[layers.ResponseData] = []
    is_first = True
    for command in told:
        if not (
            isinstance(command, layers.ReceiveHttp)
            and isinstance(command.event, layers.ResponseData)
        ):
            yield from _one(held)
            held = []
            yield command
        elif is_first:
            is_first = False
            yield command
        else:
            held.append(command.event)
    yield from _one(held)


def _one(held: list[layers.ResponseData]) -> Iterator[commands.Command]:
    if held:
        data = b"".join(event.data for event in held)
        yield layers.ReceiveHttp(layers.ResponseData(held[0].stream_id, data))
