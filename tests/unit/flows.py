"""Helpers for tests of captured answers and their views: a stream, and a routed flow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.access import clients
from claude_route.profile import clients as profile_clients
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.routing import quota
from claude_route.routing import verdict
from claude_route.wire import sse

SIGNATURE = "ab" * 60


def wire(*events: dict[str, Any] | bytes) -> bytes:
    return b"".join(
        event
        if isinstance(event, bytes)
        else sse.encode(event.get("type", ""), json.dumps(event, ensure_ascii=False).encode())
        for event in events
    )


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "model": "claude-opus-5-5",
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 7, "cache_read_input_tokens": 100, "output_tokens": 1},
}

STREAM = wire(
    {"type": "message_start", "message": MESSAGE},
    start(0, type="thinking", thinking="", signature=""),
    {"type": "ping"},
    delta(0, "thinking_delta", thinking="Hm"),
    delta(0, "thinking_delta", thinking="m. é"),
    delta(0, "signature_delta", signature=SIGNATURE),
    stop(0),
    start(1, type="text", text=""),
    delta(1, "text_delta", text="Let me "),
    delta(1, "text_delta", text="look… 🙂"),
    delta(1, "citations_delta", citation={"url": "https://a"}),
    stop(1),
    start(2, type="tool_use", id="toolu_1", name="Bash", input={}),
    delta(2, "input_json_delta", partial_json='{"command": "ls'),
    delta(2, "input_json_delta", partial_json=' -la"}'),
    stop(2),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 42},
    },
    {"type": "message_stop"},
)

REQUEST = {
    "model": "claude-opus-5-5",
    "stream": True,
    "messages": [{"role": "user", "content": "What is this?"}],
}
ROUTED: dict[str, Any] = {
    "route_model": "claude-opus-5-5",
    "route_target": "zai/glm-5",
    "route_attempts": 2,
    "route_token": "",
}


@dataclass
class Progress:
    """Implements `contract.Progress`."""

    usage: contract.Usage | None = None
    output: int = 0
    complete: bool = True
    error: str = ""


def routed(
    flow: http.HTTPFlow,
    model: str = "claude-opus-5-5",
    *,
    counts_tokens: bool = False,
    client: clients.Client | None = None,
) -> contract.RoutedRequest:
    return contract.RoutedRequest(flow, model, "s", counts_tokens, client, lambda: 100)


ALICE = clients.Client("alice", "header", profile_clients.Client("alice", ()))
SHARED = clients.Client("shared", "header")


def attempt(target: str = "zai/glm-5", **changes: Any) -> contract.Try:
    values: dict[str, Any] = {
        "number": 2,
        "token": "",
        "request": http.Request.make("POST", "https://api.z.ai/v1/messages", b"{}"),
        "rewritten": False,
        "dropped": (),
        "started": 1000.0,
    }
    return contract.Try(target=target, **values | changes)


def failed_attempt(
    kind: failures.Kind = failures.Kind.STATUS,
    status: int = 429,
    *,
    then: contract.Try | http.Response | None = None,
    detail: str = "",
    effects: Sequence[quota.Effect] = (),
    cause: verdict.Cause = "credential",
    **tried: Any,
) -> contract.FailedAttempt:
    made = attempt(**tried)
    response = http.Response.make(status) if kind.is_answer else None
    return contract.FailedAttempt(
        attempt=made,
        failure=contract.Failure(kind, detail, response),
        outcome=verdict.Outcome(made.target, "pool", False, kind, detail, status),
        cause=cause,
        effects=effects,
        at=1000.0,
        then=then,
    )


def exchange(
    path: str = "/v1/messages?beta=true",
    *,
    request: bytes = json.dumps(REQUEST).encode(),
    answer: bytes = STREAM,
    answered_with: str = "text/event-stream; charset=utf-8",
    **metadata: Any,
) -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    headers = http.Headers(content_type="application/json")
    flow.request = http.Request.make("POST", f"https://api.anthropic.com{path}", request, headers)
    flow.response = http.Response.make(200, answer, {"content-type": answered_with})
    flow.request.timestamp_start = 1000.0
    flow.response.timestamp_start, flow.response.timestamp_end = 1000.8, 1004.1
    flow.metadata.update(metadata)
    return flow
