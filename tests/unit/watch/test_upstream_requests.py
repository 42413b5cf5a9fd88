from __future__ import annotations

import gc

from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.watch import upstream_requests


def test_a_request_is_known_as_long_as_its_flow() -> None:
    flow, other = tflow.tflow(), tflow.tflow()
    request = http.Request.make("POST", "https://api.z.ai/v1/messages", b"{}")
    upstream_requests.remember(flow, request)
    assert upstream_requests.of(flow) is request
    assert upstream_requests.of(other) is None
    assert (
        upstream_requests.REWRITTEN in flow.metadata,
        upstream_requests.REWRITTEN in other.metadata,
    ) == (True, False)
    before = len(upstream_requests._requests)
    del flow
    gc.collect()
    assert len(upstream_requests._requests) == before - 1


def test_it_can_be_forgotten_before() -> None:
    flow = tflow.tflow()
    upstream_requests.remember(
        flow, http.Request.make("POST", "https://api.z.ai/v1/messages", b"{}")
    )
    upstream_requests.forget(flow)
    assert upstream_requests.of(flow) is None
    assert upstream_requests.REWRITTEN in flow.metadata
    upstream_requests.forget(flow)
