"""Bounds what mitmproxy does with the first bytes of a client, before it knows what the client speaks.

Replaces: `get_client_hello` in `mitmproxy.proxy.layers.tls`, and `NextLayer._ignore_connection` and
`NextLayer._get_host_header`.
Why: it waits for a ClientHello of up to 16 MB, and for a Host header without any limit, and parses all
that has come again with each piece. It looks for that header with regular expressions whose time grows
with the cube of a line's length: 2 KB of spaces hold up every client for seconds.
Remove when: mitmproxy has limits for both, and looks for the header in linear time.
Upstream: docs/upstream/first-bytes.md
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from mitmproxy.addons import next_layer
from mitmproxy.proxy import context
from mitmproxy.proxy.layers import tls

MOST = 16 * 1024
"""Bytes. A ClientHello with a key share against quantum computers has some 2 KB."""

REQUEST = re.compile(rb"[A-Z]{3}.+HTTP/", re.IGNORECASE)


def install() -> Callable[[], None]:
    """For every client from now on; the callable undoes it."""
    layer: Any = next_layer.NextLayer
    names: Any = tls
    hello, ignores, host = (
        tls.get_client_hello,
        layer._ignore_connection,
        vars(layer)["_get_host_header"],
    )

    @functools.wraps(hello)
    def get_client_hello(data: bytes) -> bytes | None:
        found = hello(data[: MOST + 1])
        if found is None and len(data) > MOST:
            raise ValueError("the ClientHello is too long")
        return found

    @functools.wraps(ignores)
    def _ignore_connection(
        self: next_layer.NextLayer,
        context: context.Context,
        data_client: bytes,
        data_server: bytes,
    ) -> bool | None:
        try:
            ignored: bool | None = ignores(self, context, data_client[: MOST + 1], data_server)
        except next_layer.NeedsMoreData:
            if len(data_client) <= MOST:
                raise
            return False  # the HTTP layer answers, by its own limit
        return ignored

    @functools.wraps(host.__func__)
    def _get_host_header(
        context: context.Context, data_client: bytes, data_server: bytes
    ) -> str | None:
        if context.client.transport_protocol != "tcp" or data_server:
            return None
        return host_header(data_client)

    def uninstall() -> None:
        names.get_client_hello = hello
        layer._ignore_connection = ignores
        layer._get_host_header = host

    names.get_client_hello = get_client_hello
    layer._ignore_connection = _ignore_connection
    layer._get_host_header = staticmethod(_get_host_header)
    return uninstall


def host_header(data: bytes) -> str | None:
    """The Host header of a request; None if it has none, or if it is no request.

    Raises:
    NeedsMoreData: the headers are incomplete.
    """
    if not REQUEST.match(data):
        return None
    start = data.find(b"\r\n")
    while start >= 0:
        end = data.find(b"\r\n", start + 2)
        if end == start + 2:
            return None
        if end >= 0 and data[start + 2 : start + 7].lower() == b"host:":
            if value := data[start + 7 : end].strip():
                return value.decode("utf-8", "surrogateescape")
        start = end
    raise next_layer.NeedsMoreData
