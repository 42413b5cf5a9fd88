from __future__ import annotations

from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.proxy import reply
from claude_route.watch import replies


def test_a_flow_keeps_its_reply_until_it_is_taken() -> None:
    flow, other = tflow.tflow(), tflow.tflow()
    made = reply.Refusal(http.Response.make(500))
    assert replies.of(flow) is None
    replies.remember(flow, made)
    assert replies.of(flow) is replies.of(flow) is made
    assert replies.of(other) is None
    assert replies.take(flow) is made
    assert replies.take(flow) is None
