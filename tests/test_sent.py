from __future__ import annotations

import gc

from mitmproxy import http
from mitmproxy.test import tflow

import sent


def test_a_request_is_known_as_long_as_its_flow() -> None:
    flow, other = tflow.tflow(), tflow.tflow()
    request = http.Request.make("POST", "https://api.z.ai/v1/messages", b"{}")
    sent.remember(flow, request)
    assert sent.of(flow) is request
    assert sent.of(other) is None
    assert (sent.REWRITTEN in flow.metadata, sent.REWRITTEN in other.metadata) == (True, False)
    before = len(sent._requests)
    del flow
    gc.collect()
    assert len(sent._requests) == before - 1


def test_it_can_be_forgotten_before() -> None:
    flow = tflow.tflow()
    sent.remember(flow, http.Request.make("POST", "https://api.z.ai/v1/messages", b"{}"))
    sent.forget(flow)
    assert sent.of(flow) is None
    assert sent.REWRITTEN in flow.metadata
    sent.forget(flow)
