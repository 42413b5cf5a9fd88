"""The replies that flows are being answered with, which have counted what they took."""

from __future__ import annotations

import weakref

from mitmproxy import http

from claude_route.proxy import contract

_replies: weakref.WeakKeyDictionary[http.HTTPFlow, contract.Reply] = weakref.WeakKeyDictionary()


def remember(flow: http.HTTPFlow, reply: contract.Reply) -> None:
    _replies[flow] = reply


def of(flow: http.HTTPFlow) -> contract.Reply | None:
    return _replies.get(flow)


def take(flow: http.HTTPFlow) -> contract.Reply | None:
    """The same for the last time: a reply holds buffers, and a flow may be kept for long."""
    return _replies.pop(flow, None)
