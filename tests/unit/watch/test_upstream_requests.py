from __future__ import annotations

import gc

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.watch import upstream_requests
from tests.unit.flows import Progress
from tests.unit.flows import attempt
from tests.unit.flows import routed


def test_a_request_is_known_as_long_as_its_flow() -> None:
    flow, other = tflow.tflow(), tflow.tflow()
    request = http.Request.make("POST", "https://api.z.ai/v1/messages", b"{}")
    upstream_requests.remember(flow, request)
    assert upstream_requests.of(flow) is request
    assert upstream_requests.of(other) is None
    assert ("route_rewritten" in flow.metadata, "route_rewritten" in other.metadata) == (
        True,
        False,
    )
    gc.collect()  # of flows of other tests
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
    assert "route_rewritten" in flow.metadata
    upstream_requests.forget(flow)


@pytest.mark.parametrize("rewritten", [True, False])
def test_only_a_request_that_was_rewritten_is_kept(rewritten: bool) -> None:
    flow = tflow.tflow()
    made = attempt(rewritten=rewritten)
    upstream_requests.UpstreamRequests().committed(routed(flow), made, Progress())
    assert upstream_requests.of(flow) is (made.request if rewritten else None)
    assert ("route_rewritten" in flow.metadata) is rewritten
