from __future__ import annotations

import dataclasses
import gzip
import json

import pytest
from mitmproxy import http

from claude_route.watch import ended_flows
from claude_route.watch import labels
from claude_route.watch import prices
from tests.unit import flows


def described(flow: http.HTTPFlow) -> ended_flows.Ended:
    """As it is of a flow from a file."""
    return ended_flows.describe(flow, labels.read(flow.metadata), None, prices.LISTED)


@pytest.mark.parametrize(("encoding", "is_read"), [("gzip", True), ("nonsense", False), ("", True)])
def test_encoded_bodies(encoding: str, *, is_read: bool) -> None:
    flow = flows.exchange()
    body = flow.request.raw_content or b""
    if encoding:
        flow.request.raw_content = gzip.compress(body)
        flow.request.headers["content-encoding"] = encoding
    ended = described(flow)
    assert ended.is_plain == (not encoding)
    assert ended_flows.decoded(ended).request == (body if is_read else b"")
    assert ended_flows.decoded(ended).answer == ended.wire.answer


def test_an_upstreams_error_in_its_own_words() -> None:
    flow = flows.exchange(route_target="anthropic/claude-opus-5-5", route_state="failed")
    message = "prompt is too long: 210000 tokens > 200000 maximum"
    error = {"type": "invalid_request_error", "message": message}
    flow.response = http.Response.make(400, json.dumps({"type": "error", "error": error}))
    assert described(flow).wire.error == f"400 invalid_request_error: {message}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'{"error":{"message":"No\\nbalance of sk-ant-oat01-abcdefgh"}}',
            "No balance of [redacted]",
        ),
        (b"", ""),
    ],
)
def test_a_failed_attempt_has_the_providers_words(body: bytes, words: str) -> None:
    failed = flows.failed_attempt(status=400, number=1)
    failed = dataclasses.replace(failed, outcome=dataclasses.replace(failed.outcome, body=body))
    assert (ended_flows.failed(failed).why, ended_flows.failed(failed).words) == ("400", words)


@pytest.mark.parametrize(
    ("reason", "target", "why"),
    [
        ("token 1 rests 29 s", "token 1", "rests 29 s"),
        ("zai/glm-5 keeps failing", "zai/glm-5", "keeps failing"),
        ("nothing", "", "nothing"),
    ],
)
def test_who_was_passed_over(reason: str, target: str, why: str) -> None:
    assert ended_flows.passed_over(reason) == (target, why)
