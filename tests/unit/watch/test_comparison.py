from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from mitmproxy.test import tflow

from claude_route.watch import comparison
from claude_route.watch import labels
from tests.unit.flows import REQUEST
from tests.unit.flows import ROUTED
from tests.unit.flows import exchange


def test_copies() -> None:
    flow = exchange(**ROUTED, route_session="s", route_prompt="What is this?")
    flow.comment = "mine"
    glm, kimi = comparison.copies(flow, ["glm", "kimi"])
    assert len({flow.id, glm.id, kimi.id}) == 3
    for copy, model in ((glm, "glm"), (kimi, "kimi")):
        assert json.loads(copy.request.content or b"") == {**REQUEST, "model": model}
        assert copy.request.headers["content-length"] == str(len(copy.request.content or b""))
        assert copy.metadata == {"route_compares": flow.id}
        assert (copy.response, copy.error, copy.comment, copy.is_replay) == (
            None,
            None,
            "",
            "request",
        )
    assert json.loads(flow.request.content or b"") == REQUEST
    assert flow.response and flow.comment == "mine"


def test_a_copy_of_a_copy_compares_with_the_first() -> None:
    flow = exchange()
    (copy,) = comparison.copies(flow, ["glm"])
    (again,) = comparison.copies(copy, ["kimi"])
    assert labels.read(again.metadata).compares == flow.id
    labels.forget(again.metadata)
    assert labels.read(again.metadata).compares == flow.id, "it is sent as a replay"


def test_a_body_that_came_compressed() -> None:
    flow = exchange()
    flow.request.headers["content-encoding"] = "gzip"
    flow.request.raw_content = gzip.compress(json.dumps(REQUEST).encode())
    (copy,) = comparison.copies(flow, ["glm"])
    assert "content-encoding" not in copy.request.headers
    assert json.loads(copy.request.raw_content or b"")["model"] == "glm"


def test_of_a_thread_that_begins() -> None:
    body = {**REQUEST, "thread": {"type": "create"}}
    (copy,) = comparison.copies(exchange(request=json.dumps(body).encode()), ["glm"])
    assert "thread" not in json.loads(copy.request.content or b"")


@pytest.mark.parametrize(
    ("flow", "models", "error"),
    [
        (exchange(), [], "models: expected 1 to 3, got 0"),
        (exchange(), ["glm"] * 4, "models: expected 1 to 3, got 4"),
        (
            exchange("/v1/messages/count_tokens"),
            ["glm"],
            "expected a client's request for an answer",
        ),
        (exchange("/api/oauth/profile"), ["glm"], "expected a client's request for an answer"),
        (tflow.ttcpflow(), ["glm"], "expected a client's request for an answer"),
        (exchange(request=b"<html>"), ["glm"], "body: expected JSON"),
        (exchange(request=b"[]"), ["glm"], "body: expected an object"),
        (exchange(request=b'{"thread": {"type": "continue"}}'), ["glm"], "got the end of a thread"),
    ],
)
def test_what_can_not_be_sent(flow: Any, models: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        comparison.copies(flow, models)


def test_neither_failed_attempts_nor_lost_bodies_are_sent() -> None:
    flow = exchange()
    flow.marked = ":x:"
    with pytest.raises(ValueError, match="expected a client's request"):
        comparison.copies(flow, ["glm"])
    flow.marked = ""
    flow.request.raw_content = None
    with pytest.raises(ValueError, match="no longer in memory"):
        comparison.copies(flow, ["glm"])
