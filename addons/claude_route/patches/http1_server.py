"""Replaces mitmproxy's side of HTTP/1 that faces clients.

Replaces: the name `Http1Server` in `mitmproxy.proxy.layers.http`.
Why: it keeps a head, and what a client sends behind a request, however long they are and take ("FIXME:
protect against header size DoS").
Remove when: mitmproxy has limits for these.
Upstream: docs/upstream/endless-heads.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mitmproxy.proxy.layers import http as layers


def install(server: type[layers.Http1Server]) -> Callable[[], None]:
    """Use this class for every HTTP/1 client from now on. Returns a callable that undoes it."""
    names: Any = layers
    stock = layers.Http1Server
    names.Http1Server = server

    def uninstall() -> None:
        names.Http1Server = stock

    return uninstall
