"""What is kept of a request as bytes, for another process of this proxy. Flows hold no credential."""

from __future__ import annotations

from typing import Any

from mitmproxy import http
from mitmproxy.io import tnetstring

from claude_route.pages import asking


def pack(kept: asking.Kept) -> bytes:
    upstream = kept.upstream.get_state() if kept.upstream else None
    return tnetstring.dumps([kept.flow.get_state(), upstream, kept.target])


def unpack(data: bytes) -> asking.Kept:
    """Raises ValueError: it isn't what `pack` makes."""
    loaded: Any = tnetstring.loads(data)
    state, upstream, target = loaded
    flow = http.HTTPFlow.from_state(state)
    assert isinstance(flow, http.HTTPFlow)
    return asking.Kept(flow, http.Request.from_state(upstream) if upstream else None, target)
