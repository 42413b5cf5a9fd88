"""What the body of an answer is, whatever its headers say, and what the client gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mitmproxy import http

from claude_route import targets
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.proxy import bodies
from claude_route.proxy import contract
from claude_route.proxy import reply
from claude_route.wire import sse
from tests import strict_client
from tests.unit import examples

REQUEST = requests.read(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
HELLO = [{"type": "text", "text": "Hello"}]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": HELLO,
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 5},
}
COMPLETION = {
    "object": "chat.completion",
    "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}


def events(*data: Any) -> bytes:
    return b"".join(
        sse.encode(each.get("type", ""), json.dumps(each).encode())
        if isinstance(each, dict)
        else each
        for each in data
    )


MESSAGES_START = {
    "type": "message_start",
    "message": {**MESSAGE, "content": [], "stop_reason": None},
}
MESSAGES_STREAM = events(
    MESSAGES_START,
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hello"},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 5},
    },
    {"type": "message_stop"},
)
ROLE = {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
CHAT_STREAM = events(
    ROLE,
    {"choices": [{"delta": {"content": "Hello"}}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}},
    b"data: [DONE]\n\n",
)
ANTHROPIC = examples.target("anthropic")
ZAI = examples.target("zai")
VLLM = examples.target("vllm", api="openai")
SPEAKERS: dict[str, tuple[targets.Target, bytes, bytes]] = {
    "anthropic": (ANTHROPIC, json.dumps(MESSAGE).encode(), MESSAGES_STREAM),
    "messages": (ZAI, json.dumps(MESSAGE).encode(), MESSAGES_STREAM),
    "chat": (VLLM, json.dumps(COMPLETION).encode(), CHAT_STREAM),
}
"""A target, and an answer of it of both kinds."""

SPEAKER = pytest.mark.parametrize("speaker", SPEAKERS)
WANTS = pytest.mark.parametrize("wants", ["stream", "whole"])


class Got:
    """What the client gets for a body that is cut in two at a place."""

    def __init__(
        self,
        speaker: str,
        body: bytes,
        wants: bodies.Wanted,
        kind: str | None = bodies.JSON,
        place: int = 0,
    ) -> None:
        target = SPEAKERS[speaker][0]
        response = http.Response.make(200, b"", {"content-type": kind} if kind else {})
        call = registry.of(target.provider).request(REQUEST, target)
        self.reply = reply.judge(response, call, wants=wants)
        self.out = self.reply.feed(body[:place]) + self.reply.feed(body[place:])
        self.out += self.reply.end()

    @property
    def failure(self) -> contract.Failure:
        assert self.reply.failure
        assert not self.reply.good
        return self.reply.failure

    @property
    def words(self) -> bytes:
        return (self.failure.response and self.failure.response.content) or b""

    @property
    def message(self) -> dict[str, Any]:
        assert (self.reply.failure, self.reply.good, self.reply.complete) == (None, True, True)
        headers = self.reply.response.headers
        if headers["content-type"].startswith(bodies.SSE):
            assert headers.get("content-length") in (None, str(len(self.out)))
            return strict_client.fold([self.out])
        assert headers["content-type"] == bodies.JSON
        assert headers["content-length"] == str(len(self.out))
        message: dict[str, Any] = json.loads(self.out)
        return message

    @property
    def is_stream(self) -> bool:
        return self.out.startswith(b"event: message_start\n")


@pytest.mark.parametrize(
    ("begun", "declared", "is_stream"),
    [
        (b"", "", None),
        (b" \n\r\n\xef\xbb\xbf", bodies.SSE, None),
        (b"{", bodies.SSE, False),
        (b'\xef\xbb\xbf{"', bodies.SSE, False),
        (b"[", "", False),
        (b"\n<!DOCTYPE", bodies.SSE, False),
        (b"d", "", None),
        (b"dat", "text/plain", None),
        (b"event", bodies.JSON, None),
        (b"data:", "", True),
        (b"event: x", bodies.JSON, True),
        (b"id: 1", "", True),
        (b"retry: 1", "", True),
        (b": PROCESSING", "application/octet-stream", True),
        (b"\n\ndata: x", "", True),
        (b"database", "", False),
        (b"Bad Gateway", "text/plain", False),
        (b"x", bodies.SSE, True),
    ],
)
def test_is_stream(begun: bytes, declared: str, is_stream: bool | None) -> None:
    assert bodies.is_stream(begun, declared) is is_stream


@SPEAKER
@WANTS
@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    "kind",
    ["", bodies.SSE, bodies.JSON, "text/plain; charset=utf-8", "application/octet-stream"],
)
def test_the_client_gets_what_it_asked_for(
    speaker: str, wants: bodies.Wanted, is_stream: bool, kind: str
) -> None:
    _, whole, stream = SPEAKERS[speaker]
    body = stream if is_stream else whole
    for place in range(0, len(body), 5):
        got = Got(speaker, body, wants, kind, place)
        assert got.is_stream == (wants == "stream")
        message = got.message
        assert (message["content"], message["stop_reason"]) == (HELLO, "end_turn")
        counted = message["usage"]
        assert (counted["input_tokens"], counted["output_tokens"]) == (3, 5)
        assert got.reply.usage
        assert (got.reply.usage.input, got.reply.output) == (3, 5)


@WANTS
def test_anthropics_own_answers_are_untouched(wants: bodies.Wanted) -> None:
    _, whole, stream = SPEAKERS["anthropic"]
    body = stream if wants == "stream" else whole
    kind = "text/event-stream; charset=utf-8" if wants == "stream" else bodies.JSON
    got = Got("anthropic", body, wants, kind)
    assert got.out == body
    assert got.reply.response.headers["content-type"] == kind


WORDS = [
    b'{"type":"error","error":{"type":"api_error","message":"Gone"}}',
    b'{"error":{"message":"Gone","code":500}}',
    b'{"error":"Gone"}',
    b'{"code":500,"msg":"Gone","success":false}',
    b'{"code":1234,"message":"Gone"}',
    b'{"base_resp":{"status_code":1008,"status_msg":"Gone"}}',
    b'{"id":"x","choices":null,"base_resp":{"status_code":1008,"status_msg":"Gone"}}',
    b'{"choices":[],"error":{"message":"Gone"}}',
    b'{"choices":[{"message":{"content":""},"error":{"message":"Gone"}}],"error":{"message":"Gone"}}',
    b'{"detail":"Gone"}',
    b'{"detail":[{"msg":"Gone","loc":["body"]}]}',
    b'{"object":"error","message":"Gone"}',
    b'{"success":false,"error_msg":"Gone"}',
    b'{"success":false,"errorMessage":"Gone"}',
    b'[{"error":{"message":"Gone"}}]',
    b"<html><head><title>Gone</title></head></html>",
    b"Gone",
]


@SPEAKER
@WANTS
@pytest.mark.parametrize("body", WORDS)
def test_an_error_with_a_good_status(speaker: str, wants: bodies.Wanted, body: bytes) -> None:
    for kind in (bodies.JSON, "text/html", None):
        got = Got(speaker, body, wants, kind, 1)
        assert (got.out, got.failure.kind) == (b"", "event")
        assert got.words == body
    dialect = registry.of(SPEAKERS[speaker][0].provider)
    assert dialect.error(200, got.words).message.endswith("Gone")


@SPEAKER
@WANTS
@pytest.mark.parametrize("before", ["nothing", "comment", "start"])
@pytest.mark.parametrize("body", [body for body in WORDS if body.startswith(b"{")])
def test_an_error_before_the_first_block_of_a_stream(
    speaker: str, wants: bodies.Wanted, before: str, body: bytes
) -> None:
    start = events(ROLE if speaker == "chat" else MESSAGES_START)
    wire = {"nothing": b"", "comment": b": PROCESSING\n\n", "start": start}[before]
    wire += b"data: " + body + b"\n\n"
    for place in range(0, len(wire), 5):
        got = Got(speaker, wire, wants, bodies.SSE, place)
        assert got.failure.kind == "event"
        assert b"Gone" in got.words


@SPEAKER
@WANTS
@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"[]", b"null", b"<html></html>", b'{"a":1}'])
def test_a_body_without_words_is_no_answer_either(
    speaker: str, wants: bodies.Wanted, body: bytes
) -> None:
    got = Got(speaker, body, wants)
    assert (got.out, got.words, got.failure.kind) == (b"", b"", "event")
    assert "expected" in got.failure.detail


@SPEAKER
@WANTS
def test_half_an_answer_is_none(speaker: str, wants: bodies.Wanted) -> None:
    body = SPEAKERS[speaker][1]
    for end in range(1, len(body) - 1, 7):
        got = Got(speaker, body[:end], wants)
        assert (got.out, got.words, got.failure.kind) == (b"", b"", "reset")


@SPEAKER
def test_half_a_stream_is_no_whole_answer(speaker: str) -> None:
    body = SPEAKERS[speaker][2]
    for end in range(1, body.index(b"Hello") + 9):
        got = Got(speaker, body[:end], "whole", bodies.SSE)
        assert got.out == b""
        assert not got.reply.good


def test_an_error_in_a_stream_for_a_whole_answer() -> None:
    for speaker in SPEAKERS:
        wire = SPEAKERS[speaker][2]
        wire = wire[: wire.index(b"\n\n", wire.index(b"Hello")) + 2]
        got = Got(speaker, wire + b'event: error\ndata: {"error":{"message":"Gone"}}\n\n', "whole")
        assert (got.out, got.failure.kind) == (b"", "event")
        assert b"Gone" in got.words


@pytest.mark.parametrize("speaker", ["anthropic", "messages"])
@pytest.mark.parametrize(
    ("body", "is_count"),
    [
        (b'{"input_tokens": 42}', True),
        (b"{}", False),
        (b"", False),
        (b"<html>", False),
        (b'{"error":"Unexpected endpoint"}', False),
        (MESSAGES_STREAM, False),
        (b'data:{"type":"message_delta","":{"":"","":null},"":{"":7}}', False),
        (b'event: error\ndata: {"error":{"message":"Gone"}}\n\n', False),
    ],
)
def test_a_count(speaker: str, body: bytes, is_count: bool) -> None:
    got = Got(speaker, body, "count")
    assert got.out == (body if is_count else b"")
    assert got.reply.good is is_count


def test_a_joined_answer_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_ANSWER", 400)
    got = Got("messages", MESSAGES_STREAM, "whole")
    assert (got.failure.kind, got.out) == ("reset", b"")
    assert got.failure.detail == "body: expected at most 400 bytes, got more"
