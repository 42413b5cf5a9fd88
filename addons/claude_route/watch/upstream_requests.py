"""The requests that went upstream, where they are not what the client sent: for people to look at.

With placeholders for credentials, like all that a flow holds. Gone with its flow.
"""

from __future__ import annotations

import weakref

from mitmproxy import http

REWRITTEN = "route_rewritten"
"""In a flow's metadata: saved and copied flows still tell that the client's bytes are not what went
upstream, when that is known no more."""

_requests: weakref.WeakKeyDictionary[http.HTTPFlow, http.Request] = weakref.WeakKeyDictionary()


def remember(flow: http.HTTPFlow, request: http.Request) -> None:
    """`request` is what went upstream, with a body that differs from the flow's own."""
    _requests[flow] = request
    flow.metadata[REWRITTEN] = True


def of(flow: http.HTTPFlow) -> http.Request | None:
    """None where the client's bytes went as they came, or nobody knows any more."""
    return _requests.get(flow)


def forget(flow: http.HTTPFlow) -> None:
    """To free its memory."""
    _requests.pop(flow, None)
