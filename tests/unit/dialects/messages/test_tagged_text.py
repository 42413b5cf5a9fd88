from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects.messages import dialect
from claude_route.dialects.messages import requests
from claude_route.wire import sse
from tests import strict_client
from tests.unit import examples

TAGGED = "<think>A plan</think>\n\nHello"
CALL = {"type": "tool_use", "id": "t", "name": "Read", "input": {}}


def call(responses: str, reasoning: Any = "tags") -> dialect.Call:
    given = {"thinking": {"responses": responses}}
    target = examples.target("acme", auth="none", **given)  # type: ignore[arg-type]
    provider = dataclasses.replace(target.provider, reasoning=reasoning)
    request = requests.read(b'{"model": "m", "messages": []}')
    return dialect.call(request, targets.Target(provider, "m"))


def streamed(to: dialect.Call, *texts: str, after: bool = False) -> list[dict[str, Any]]:
    """The blocks that a client makes of a text in these deltas, and of a call after it."""

    def event(name: str, **fields: Any) -> sse.Event:
        data = json.dumps({"type": name} | fields).encode()
        return sse.Event(name, data, sse.encode(name, data))

    start = {"id": "x", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": {}}  # fmt: skip
    events = [
        event("message_start", message=start),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    ]
    for text in texts:
        delta = {"type": "text_delta", "text": text}
        events.append(event("content_block_delta", index=0, delta=delta))
    events.append(event("content_block_stop", index=0))
    if after:
        delta = {"type": "input_json_delta", "partial_json": '{"n": 1}'}
        events.append(event("content_block_start", index=1, content_block=CALL))
        events.append(event("content_block_delta", index=1, delta=delta))
        events.append(event("content_block_stop", index=1))
    stop = {"stop_reason": "tool_use" if after else "end_turn"}
    events.append(event("message_delta", delta=stop, usage={"output_tokens": 1}))
    events.append(event("message_stop"))
    stream = to.stream()
    blocks: list[dict[str, Any]] = strict_client.fold(
        [stream.feed(each) for each in events] + [stream.end()]
    )["content"]
    return blocks


def whole(to: dialect.Call, text: str) -> Any:
    body = {
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return json.loads(to.answer(json.dumps(body).encode()))["content"]


HELLO = {"type": "text", "text": "Hello"}


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ("tag", [{"type": "thinking", "thinking": "A plan", "signature": "route:acme:"}, HELLO]),
        ("keep", [{"type": "thinking", "thinking": "A plan", "signature": ""}, HELLO]),
        ("strip", [HELLO]),
    ],
)
def test_tags_at_every_cut(responses: str, expected: list[Any]) -> None:
    for cut in range(len(TAGGED) + 1):
        assert streamed(call(responses), TAGGED[:cut], TAGGED[cut:]) == expected
    assert streamed(call(responses), *TAGGED) == expected
    assert whole(call(responses), TAGGED) == expected


@pytest.mark.parametrize("responses", ["tag", "keep", "strip"])
def test_tags_around_nothing(responses: str) -> None:
    """Qwen writes them, with or without line feeds, where it doesn't think."""
    text = "<think></think>\n\nHello"
    assert streamed(call(responses), *text) == whole(call(responses), text) == [HELLO]
    assert whole(call(responses), "<think></think>")[0]["text"]


@pytest.mark.parametrize("text", ["<think>A plan</think>", "<think>A plan"])
def test_what_follows_moves(text: str) -> None:
    blocks = streamed(call("keep"), *text, after=True)
    assert [block["type"] for block in blocks] == ["thinking", "tool_use"]
    blocks = streamed(call("keep"), *TAGGED, after=True)
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]
    assert blocks[-1]["input"] == {"n": 1}


@pytest.mark.parametrize("text", ["Hello <think>no</think>", "<thinker>", "<thi", "Hello"])
def test_any_other_text_stays(text: str) -> None:
    expected = [{"type": "text", "text": text}]
    assert streamed(call("tag"), *text) == expected
    assert whole(call("tag"), text) == expected


def test_only_where_the_profile_says_so() -> None:
    expected = [{"type": "text", "text": TAGGED}]
    assert streamed(call("tag", None), *TAGGED) == expected
    assert whole(call("tag", None), TAGGED) == expected
