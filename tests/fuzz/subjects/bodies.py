"""Requests: any body is refused with an error of ours, or written for every target as one that its
provider can read. An input is a body."""

from __future__ import annotations

import itertools
import json
import zlib
from typing import Any

from mitmproxy import http

from claude_route import targets
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.proxy import attempt
from claude_route.proxy import contract
from claude_route.routing import failures
from tests.fuzz import surroundings

ANTHROPICS_OWN = {
    *("context_management", "diagnostics", "thread", "container", "mcp_servers", "service_tier"),
    *("safeguards", "speed"),
}
"""What other providers don't get."""

REFUSALS = (
    "Unsupported parameter: 'thinking'",
    "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens",
    "tools.0.custom.strict: Extra inputs are not permitted",
    "This model does not support image input",
    "Unrecognized request argument supplied: reasoning_effort",
    "temperature: Input should be less than or equal to 1",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "The reasoning_content in the thinking mode must be passed back to the API.",
    "messages.1.content.0.cache_control: Extra inputs are not permitted",
)


def check(body: bytes) -> None:
    try:
        request = requests.read(body)
    except ValueError:
        request = None
    if request and is_json(body):
        for target in surroundings.TARGETS.values():
            try:
                written = registry.of(target.provider).request(request, target).body
            except ValueError:
                continue
            if written is not body:
                check_written(written, target)
    ask(body, "/v1/messages", fail=True)
    ask(body, "/v1/messages/count_tokens", fail=False)


def is_json(body: bytes) -> bool:
    """Whether all of it is: parts that nobody reads are neither checked nor changed."""
    try:
        json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    return True


def check_written(body: bytes, target: targets.Target) -> None:
    written = surroundings.json_of(body, "request")
    if target.provider.is_anthropic:
        return
    assert not written.keys() & ANTHROPICS_OWN, written.keys() & ANTHROPICS_OWN
    if registry.of(target.provider) is not registry.MESSAGES:
        check_chat(written["messages"])


def check_chat(messages: list[dict[str, Any]]) -> None:
    """Each call is answered by a message right behind it, and each answer has its call."""
    awaited: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in awaited, "an answer without a call"
            awaited.remove(message["tool_call_id"])
            continue
        assert message["role"] in ("system", "developer", "user", "assistant"), message["role"]
        assert not awaited, "a call without an answer"
        calls = message.get("tool_calls") or []
        assert len({call["id"] for call in calls}) == len(calls), "one id twice"
        for call in calls:
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            awaited.add(call["id"])


def ask(body: bytes, path: str, *, fail: bool) -> None:
    """The whole way of a request for which every target fails."""
    asked = surroundings.exchange_for(surroundings.post(body, path))
    step = asked.begin()
    words = itertools.cycle(REFUSALS[zlib.crc32(body) % len(REFUSALS) :])
    turn = 0
    while not isinstance(step, http.Response):
        assert isinstance(step, attempt.Attempt)
        sent = step.request(step.address)
        if step.rewritten and is_json(body):
            surroundings.json_of(sent.raw_content or b"", "request")
        if not fail:
            return
        turn += 1
        assert turn < 50
        step = asked.failed(refusal(next(words)) if turn % 2 else DEAD)
    asked.closed(None)
    for value in step.headers.values():
        assert value.isprintable(), "a header with control characters"
    if step.status_code >= 400:
        surroundings.error_of(step)
    else:
        surroundings.json_of(step.content or b"", "count")


DEAD = contract.Failure(failures.Kind.CONNECT, "Connect call failed")


def refusal(words: str) -> contract.Failure:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    response = http.Response.make(400, json.dumps(body).encode())
    return contract.Failure(failures.Kind.STATUS, "HTTP 400", response)
