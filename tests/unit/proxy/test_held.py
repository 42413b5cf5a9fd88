from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from mitmproxy import http

from claude_route.dialects import conversion
from claude_route.dialects import dialect
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import safeguards
from claude_route.profile import profiles
from claude_route.proxy import bodies
from claude_route.proxy import held
from claude_route.proxy import reply
from claude_route.wire import sse

PROFILE = """
providers:
  zai: {base_url: "http://127.0.0.1:1", auth: none}
  chat: {base_url: "http://127.0.0.1:2", auth: none, api: openai}
models: {glm: zai/glm-5, chat: chat/gpt}
"""
ARGUMENTS = '{"command": "ls"}'
CLEARED = [
    {
        "type": "dangerous_tool_use",
        "status": {
            "type": "available",
            "tool_uses": {"toolu_x": {"type": "evaluated", "outcome": "not_flagged"}},
        },
    }
]
"""What a provider says about its own call."""

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "glm-5",
    "content": [
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "toolu_x", "name": "Bash", "input": {"command": "ls"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2},
    "safeguard_results": CLEARED,
}
COMPLETION: dict[str, Any] = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Hi",
                "safeguard_results": CLEARED,
                "tool_calls": [
                    {
                        "id": "toolu_x",
                        "type": "function",
                        "function": {"name": "Bash", "arguments": ARGUMENTS},
                    }
                ],
            },
        }
    ],
    "safeguard_results": CLEARED,
}


def cleared_stream() -> bytes:
    """With the provider's own verdicts wherever a client could look for them."""
    out = b""
    plain = {key: value for key, value in MESSAGE.items() if key != "safeguard_results"}
    for event in sse.Decoder().feed(conversion.streamed(json.dumps(plain).encode())):
        fields = json.loads(event.data)
        for place in (fields, fields.get("message"), fields.get("delta")):
            if place is not None and event.name in ("message_start", "message_delta"):
                place["safeguard_results"] = CLEARED
        out += sse.encode(event.name, json.dumps(fields).encode())
    return out


def chunks() -> bytes:
    (choice,) = COMPLETION["choices"]
    (call,) = choice["message"]["tool_calls"]
    deltas: list[dict[str, Any]] = [
        {"delta": {"role": "assistant", "content": "Hi"}},
        {"delta": {"tool_calls": [call | {"index": 0}]}},
        {"delta": {"safeguard_results": CLEARED}, "finish_reason": "tool_calls"},
    ]
    parts = [{"choices": [{"index": 0, **delta}]} for delta in deltas]
    return b"".join(sse.encode("", json.dumps(part).encode()) for part in parts) + (
        b"data: [DONE]\n\n"
    )


BODIES = {
    ("glm", True): cleared_stream(),
    ("glm", False): json.dumps(MESSAGE).encode(),
    ("chat", True): chunks(),
    ("chat", False): json.dumps(COMPLETION).encode(),
}
CASES = [(*case, wants) for case in BODIES for wants in ("stream", "whole")]


@functools.cache
def call_to(name: str) -> dialect.Call:
    target = profiles.parse(PROFILE, {}, "p.yaml").target(name)
    assert target
    body = {"model": name, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    return registry.of(target.provider).request(requests.read(json.dumps(body).encode()), target)


def opened(name: str, *, is_stream: bool, wants: bodies.Wanted) -> held.Held:
    kind = "text/event-stream" if is_stream else "application/json"
    response = http.Response.make(200, b"", {"content-type": kind})
    return held.Held(reply.judge(response, call_to(name), wants=wants))


@pytest.mark.parametrize(("name", "is_stream", "wants"), CASES)
def test_the_end_waits_for_the_verdicts_at_every_cut(
    name: str, is_stream: bool, wants: bodies.Wanted
) -> None:
    wire = BODIES[name, is_stream]
    for cut in range(len(wire) + 1):
        answer = opened(name, is_stream=is_stream, wants=wants)
        given = answer.feed(wire[:cut]) + answer.feed(wire[cut:]) + answer.end()
        assert answer.good
        assert answer.complete
        assert answer.unjudged is not None
        ((id, tool, input),) = answer.unjudged
        assert (tool, input) == ("Bash", {"command": "ls"})
        assert b"message_delta" not in given
        assert b"safeguard_results" not in given
        assert answer.end() == b""
        verdict = safeguards.flagged("No.")
        out = given + answer.judged({id: verdict})
        assert answer.unjudged is None
        length = answer.response.headers.get("content-length")
        assert length in (None, str(len(out)))
        (results,) = results_of(out, is_stream=wants == "stream")
        assert results["status"] == {"type": "available", "tool_uses": {id: verdict}}


def results_of(out: bytes, *, is_stream: bool) -> list[dict[str, Any]]:
    assert out.count(b"safeguard_results") == 1
    if not is_stream:
        return list(json.loads(out)["safeguard_results"])
    events = sse.Decoder().feed(out)
    assert [event.name for event in events][-2:] == ["message_delta", "message_stop"]
    return list(json.loads(events[-2].data)["delta"]["safeguard_results"])


@pytest.mark.parametrize(("name", "is_stream", "wants"), CASES)
def test_what_a_provider_says_about_its_own_calls_goes_to_nobody(
    name: str, is_stream: bool, wants: bodies.Wanted
) -> None:
    """Whether or not the client wants verdicts."""
    wire = BODIES[name, is_stream]
    kind = "text/event-stream" if is_stream else "application/json"
    response = http.Response.make(200, b"", {"content-type": kind})
    answer = reply.judge(response, call_to(name), wants=wants)
    out = answer.feed(wire) + answer.end()
    assert answer.complete
    assert b"toolu_x" in out
    assert b"safeguard_results" not in out


def test_a_stream_that_lacks_only_its_end_waits_too() -> None:
    answer = opened("glm", is_stream=True, wants="stream")
    wire = BODIES["glm", True]
    given = answer.feed(wire[: wire.rindex(b"event: message_stop")])
    assert answer.unjudged is None
    given += answer.broken("gone")
    assert answer.unjudged is not None
    assert b"message_delta" not in given
    assert answer.judged(None).endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_a_stream_that_breaks_has_no_verdicts() -> None:
    answer = opened("glm", is_stream=True, wants="stream")
    wire = BODIES["glm", True]
    given = answer.feed(wire[: wire.rindex(b"event: message_delta")]) + answer.broken("gone")
    assert answer.unjudged is None
    assert answer.error == "api_error"
    assert b"event: error" in given


def test_a_failure_is_one() -> None:
    answer = opened("glm", is_stream=True, wants="stream")
    assert answer.feed(b'event: error\ndata: {"type":"error","error":{"type":"x"}}\n\n') == b""
    assert answer.failure
    assert not answer.started
    assert answer.unjudged is None


def test_what_it_is_asked_is_the_answers() -> None:
    answer = opened("glm", is_stream=True, wants="stream")
    answer.feed(BODIES["glm", True])
    answer.commit()
    assert answer.usage is not None
    assert answer.usage.output == 2
    assert answer.output == 2
