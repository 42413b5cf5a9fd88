from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import dialect
from claude_route.dialects.messages import repairs
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import streams
from claude_route.wire import sse
from tests import paths
from tests.unit import examples

BODY = b'{"model":"m", "messages":[]}'
TEXT = {"type": "text", "text": "hello"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "glm-sig-8c1f"}


def call(name: str, **settings: Any) -> dialect.Call:
    auth = "client" if name == "anthropic" else "none"
    target = examples.target(name, auth=auth, **settings)
    return dialect.Messages().request(requests.read(BODY), target)


def test_a_body_that_needs_no_change_is_the_clients_own() -> None:
    request = requests.read(BODY)
    made = dialect.Messages().request(request, examples.target("anthropic", auth="client"))
    assert made.body is request.body


@pytest.mark.parametrize(
    ("name", "policy", "signatures"),
    [
        ("anthropic", None, ["glm-sig-8c1f"]),
        ("zai", None, ["route:zai:glm-sig-8c1f"]),
        ("zai", "tag", ["route:zai:glm-sig-8c1f"]),
        ("zai", "keep", ["glm-sig-8c1f"]),
        ("zai", "strip", []),
    ],
)
def test_the_profile_says_what_becomes_of_thinking(
    name: str, policy: str | None, signatures: list[str]
) -> None:
    made = call(name, **({"thinking": {"responses": policy}} if policy else {}))
    wire = (paths.DATA / "thinking.sse").read_bytes()
    rewriter = made.stream()
    out = b"".join(map(rewriter.feed, sse.Decoder().feed(wire))) + rewriter.end()
    signed = [json.loads(e.data) for e in sse.Decoder().feed(out) if b'"signature":"' in e.data]
    deltas = [event["delta"]["signature"] for event in signed if "delta" in event]
    assert deltas == signatures
    assert (out == wire) == (name == "anthropic")

    answer = json.dumps({"content": [THOUGHT, TEXT]}).encode()
    content = json.loads(made.answer(answer))["content"]
    assert [block["signature"] for block in content if "signature" in block] == signatures
    assert (made.answer(answer) == answer) == (name == "anthropic")


def test_only_other_providers_answers_are_repaired() -> None:
    assert isinstance(call("anthropic").stream(), streams.Stream)
    assert isinstance(call("zai").stream(), repairs.Stream)


def test_a_stream_for_each_answer() -> None:
    made = call("zai")
    assert made.stream() is not made.stream()
    assert made.stream().meter is not made.stream().meter


@pytest.mark.parametrize("name", ["anthropic", "zai"])
def test_a_count_passes_unchanged(name: str) -> None:
    counted = b'{"input_tokens": 7}'
    assert call(name).count(counted) == counted
    for body in (b"{}", b"", b'{"error":{"message":"Unexpected endpoint"}}'):
        with pytest.raises(ValueError, match="expected"):
            call(name).count(body)
