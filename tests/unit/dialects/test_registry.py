"""The same tests for every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects import dialect
from claude_route.dialects import error_body
from claude_route.dialects import registry
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import usage as messages_usage
from claude_route.profile import litellm_apis
from claude_route.wire import sse
from tests.unit import examples

BODY = json.dumps(
    {
        "model": "claude-x",
        "stream": True,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
    }
).encode()

NAMES = pytest.mark.parametrize("name", sorted(registry.BY_NAME))


def wire(*events: Any) -> bytes:
    return b"".join(
        event if isinstance(event, bytes) else sse.encode("", json.dumps(event).encode())
        for event in events
    )


def named(name: str, **fields: Any) -> bytes:
    return sse.encode(name, json.dumps({"type": name, **fields}).encode())


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


STREAMS = {
    "anthropic": wire(
        named(
            "message_start", message={"usage": {"input_tokens": 7, "cache_read_input_tokens": 100}}
        ),
        named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello é"}),
        named("content_block_stop", index=0),
        named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 42}),
        named("message_stop"),
    ),
    "openai": wire(
        b": PROCESSING\n\n",
        chunk(role="assistant", content=""),
        chunk(content="Hello é"),
        chunk("stop"),
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 107,
                "completion_tokens": 42,
                "prompt_tokens_details": {"cached_tokens": 100},
            },
        },
        b"data: [DONE]\n\n",
    ),
}
WHOLE = {
    "anthropic": {
        "type": "message",
        "content": [{"type": "text", "text": "Hello é"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 100, "output_tokens": 42},
    },
    "openai": {
        "choices": [
            {"message": {"role": "assistant", "content": "Hello é"}, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": 107,
            "completion_tokens": 42,
            "prompt_tokens_details": {"cached_tokens": 100},
        },
    },
}
USED = usage.Usage(input=7, output=42, cache_read=100)


def call(name: str) -> dialect.Call:
    target = examples.target("acme", api=name)
    assert registry.of(target.provider) is registry.BY_NAME[name]
    return registry.BY_NAME[name].request(requests.read(BODY), target)


def test_each_has_a_name_for_people() -> None:
    assert {name: spoken.label for name, spoken in registry.BY_NAME.items()} == {
        "anthropic": "Messages",
        "openai": "Chat Completions",
    }


def test_what_litellm_calls_is_a_dialect_of_ours() -> None:
    assert {api.style.dialect for api in litellm_apis.PREFIXES.values()} <= registry.BY_NAME.keys()


@pytest.mark.parametrize(
    ("name", "path", "endpoint"),
    [
        ("anthropic", "/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("anthropic", "/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("openai", "/v1/messages?beta=true", "/chat/completions"),
    ],
)
def test_endpoint(name: str, path: str, endpoint: str) -> None:
    assert registry.BY_NAME[name].endpoint(path) == endpoint


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/messages", "anthropic"),
        ("/api/anthropic/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", "anthropic"),
        ("/api/v1/chat/completions", "openai"),
        ("/else", "anthropic"),
    ],
)
def test_a_path_shows_its_dialect(path: str, name: str) -> None:
    assert registry.at(path).name == name


@NAMES
def test_paths(name: str) -> None:
    spoken = registry.BY_NAME[name]
    assert registry.at(spoken.endpoint("/v1/messages")) is spoken
    assert set(spoken.paths) <= set(registry.PATHS)


@pytest.mark.parametrize(("name", "counts"), [("anthropic", True), ("openai", False)])
def test_counts_tokens(name: str, counts: bool) -> None:
    assert registry.BY_NAME[name].counts_tokens is counts


@NAMES
def test_a_request(name: str) -> None:
    made = call(name)
    sent = json.loads(made.body)
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == ("m", True, 9)
    assert made.dropped == ()
    assert "Hi" in made.body.decode()
    (message,) = sent["messages"]
    assert registry.BY_NAME[name].blocks(message) == [{"type": "text", "text": "Hi"}]


@NAMES
def test_the_fields_of_a_request(name: str) -> None:
    sent, names = json.loads(call(name).body), registry.BY_NAME[name].request_fields
    assert len(sent[names.conversation]) == 1
    assert [sent.get(limit) for limit in names.limits if limit in sent] == [9]


@pytest.mark.parametrize(("name", "version"), [("anthropic", True), ("openai", False)])
def test_the_headers_of_a_request(name: str, version: bool) -> None:
    headers = [(b"Anthropic-Version", b"2023-06-01"), (b"user-agent", b"x"), (b"cookie", b"a=b")]
    kept = registry.BY_NAME[name].headers(headers, examples.target("acme", api=name).provider)
    assert [key for key, _ in kept] == [b"Anthropic-Version"] * version + [b"user-agent"]


@NAMES
def test_what_is_no_request(name: str) -> None:
    target = examples.target("acme", api=name)
    request = requests.read(b'{"model":"m","messages":[{"role":"user","content":[3]}]}')
    with pytest.raises(ValueError, match="expected"):
        registry.BY_NAME[name].request(request, target)


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("anthropic", {"name": "Bash", "description": "Runs it"}),
        (
            "openai",
            {"type": "function", "function": {"name": "Bash", "description": "Runs it"}},
        ),
    ],
)
def test_a_tool(name: str, tool: dict[str, Any]) -> None:
    shown = registry.BY_NAME[name].tool(tool)
    assert (shown["name"], shown["description"]) == ("Bash", "Runs it")


@NAMES
def test_a_stream_is_counted_whatever_the_cuts(name: str) -> None:
    whole = STREAMS[name]
    for place in range(len(whole) + 1):
        decoder, stream = sse.Decoder(), call(name).stream()
        assert (stream.begun, stream.complete, stream.error) == (False, False, "")
        outputs = []
        for piece in (whole[:place], whole[place:]):
            for event in decoder.feed(piece):
                stream.feed(event)
                outputs.append(stream.meter.output)
        assert stream.end() == b""
        assert (stream.begun, stream.complete, stream.error) == (True, True, "")
        assert stream.meter.usage == USED
        assert outputs == sorted(outputs)
        assert outputs[-1] == 42


@NAMES
@pytest.mark.parametrize("events", [2, 3])
def test_a_stream_that_breaks_off(name: str, events: int) -> None:
    stream = call(name).stream()
    for event in sse.Decoder().feed(STREAMS[name])[:events]:
        stream.feed(event)
    assert (stream.started, stream.complete) == (True, False)
    (last,) = sse.Decoder().feed(stream.broken("reset"))
    assert last.name == "error"
    assert json.loads(last.data)["error"]["type"] == stream.error == "api_error"
    assert stream.complete


@NAMES
def test_an_event_without_its_end(name: str) -> None:
    stream = call(name).stream()
    for event in sse.Decoder().feed(STREAMS[name]):
        assert stream.is_whole(event) == (event.data != b"")
        cut = event.data[:-1]
        assert not stream.is_whole(sse.Event(event.name, cut, cut))


@NAMES
def test_an_answer(name: str) -> None:
    body = json.dumps(WHOLE[name]).encode()
    made = call(name)
    assert not error_body.is_error(body)
    answer = json.loads(made.answer(body))
    assert answer["content"] == [{"type": "text", "text": "Hello é"}]
    assert made.usage(body) == USED
    assert messages_usage.of_body(made.answer(body)) == USED


@NAMES
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[1]", b"[" * 5000])
def test_the_usage_of_what_is_no_answer(name: str, body: bytes) -> None:
    assert call(name).usage(body) is None


@NAMES
def test_fold(name: str) -> None:
    spoken = registry.BY_NAME[name]
    whole = spoken.fold(json.dumps(WHOLE[name]).encode(), is_stream=False)
    streamed = spoken.fold(STREAMS[name], is_stream=True)
    for answer in (whole, streamed):
        assert answer.blocks == [{"type": "text", "text": "Hello é"}]
        assert (answer.usage, answer.complete, answer.error) == (USED, True, None)
    assert streamed.events
    assert not whole.events


KEY = "the provider rejects the API key in the proxy's profile"


@NAMES
@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "Bad", (400, "invalid_request_error", "Bad")),
        (401, "authentication_error", "No", (500, "api_error", KEY)),
        (403, "permission_error", "No", (403, "permission_error", "No")),
        (404, "not_found_error", "None", (400, "invalid_request_error", "None")),
        (413, "request_too_large", "Big", (413, "request_too_large", "Big")),
        (429, "rate_limit_error", "Slow", (429, "rate_limit_error", "Slow")),
        (500, "api_error", "Oh", (500, "api_error", "Oh")),
        (529, "overloaded_error", "Busy", (529, "overloaded_error", "Busy")),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 9 tokens > 8 maximum",
            (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
        ),
        # In the middle of an answer, by its type.
        (200, "overloaded_error", "Busy", (529, "overloaded_error", "Busy")),
        (200, "rate_limit_error", "Slow", (429, "rate_limit_error", "Slow")),
        (200, "invalid_request_error", "Bad", (400, "invalid_request_error", "Bad")),
        (200, "timeout_error", "Late", (504, "timeout_error", "Late")),
        (200, "authentication_error", "No", (500, "api_error", KEY)),
    ],
)
def test_an_error(
    name: str, status: int, kind: str, message: str, expected: tuple[int, str, str]
) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    error = registry.BY_NAME[name].error(status, body)
    assert error[:3] == expected
    assert error.refuses_key == (error.message == KEY)


@NAMES
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (502, b"<title>502 Bad</title>", (502, "api_error", "502 Bad")),
        (503, b"", (503, "api_error", "the provider answered 503: Service Unavailable")),
        (500, b"[" * 5000, (500, "api_error", "the provider answered 500: Internal Server Error")),
        (400, b'{"detail":"Gone"}', (400, "invalid_request_error", "Gone")),
        (429, b'{"message":"Slow"}', (429, "rate_limit_error", "Slow")),
    ],
)
def test_an_error_in_no_dialect(
    name: str, status: int, body: bytes, expected: tuple[int, str, str]
) -> None:
    assert registry.BY_NAME[name].error(status, body)[:3] == expected


@pytest.mark.parametrize(
    ("kind", "messages", "chat"),
    [
        ("permission_error", (403, "permission_error"), (500, "api_error")),
        ("not_found_error", (400, "invalid_request_error"), (500, "api_error")),
        ("billing_error", (402, "billing_error"), (500, "api_error")),
        ("from_the_future_error", (500, "api_error"), (500, "api_error")),
    ],
)
def test_an_error_is_read_by_its_own_dialect(
    kind: str, messages: tuple[int, str], chat: tuple[int, str]
) -> None:
    """Only in Messages does a type imply a status."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "No"}}).encode()
    assert registry.BY_NAME["anthropic"].error(200, body)[:2] == messages
    assert registry.BY_NAME["openai"].error(200, body)[:2] == chat
