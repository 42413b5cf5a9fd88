"""What the tests of captured answers and their views share: a stream, and a flow that was routed."""

from __future__ import annotations

import json
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow

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
