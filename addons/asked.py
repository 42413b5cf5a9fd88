"""The host that a client asked for, by its own words.

At a reverse door mitmproxy writes the upstream's name over it before any hook is called. Leans on
`HttpStream.state_wait_for_request_headers`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http as layers

_hosts: weakref.WeakKeyDictionary[http.Request, str | None] = weakref.WeakKeyDictionary()


def host(request: http.Request) -> str | None:
    """Its Host header, or what HTTP/2 has in its place. None where there is none."""
    return _hosts.get(request)


def install() -> Callable[[], None]:
    """For every request from now on; the callable undoes it."""
    stock = layers.HttpStream.state_wait_for_request_headers

    def state_wait_for_request_headers(
        self: layers.HttpStream, event: layers.RequestHeaders
    ) -> layer.CommandGenerator[None]:
        _hosts[event.request] = event.request.host_header
        yield from stock(self, event)

    layers.HttpStream.state_wait_for_request_headers = (  # type: ignore[method-assign]
        state_wait_for_request_headers
    )

    def uninstall() -> None:
        layers.HttpStream.state_wait_for_request_headers = stock  # type: ignore[method-assign]

    return uninstall
