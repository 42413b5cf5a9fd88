"""The simulator in Anthropic's dialect: what it says, what it refuses, how it goes wrong."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

import simulator
from simulator import Answer
from simulator import RedactedThinking
from simulator import Simulator
from simulator import Text
from simulator import Thinking
from simulator import ToolUse
from simulator import answers
from simulator import faults
from simulator import limits
from simulator import scenarios

KEY = {"x-api-key": "sk-ant-api03-x", "anthropic-version": "2023-06-01"}
BETAS = {"anthropic-beta": "context-management-2025-06-27,per-turn-control-2026-07-01"}
ZAI = {"authorization": "Bearer zai-key"}
BASH = {"name": "Bash", "description": "", "input_schema": {"type": "object"}}
READ = {**BASH, "name": "Read"}
OLD = "claude-haiku-4-5-20251001"


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def sim(shared: Simulator) -> Simulator:
    shared.clear()
    return shared


@pytest.fixture(scope="module")
def glm() -> Iterator[Simulator]:
    with Simulator(role="provider", reasoning_required=True) as sim:
        yield sim


def ask(prompt: str = "hello", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": "claude-opus-5-5", "max_tokens": 100, "messages": messages, **fields}


def post(
    sim: Simulator, body: Any, headers: dict[str, str] = KEY, path: str = "/v1/messages"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(sim.host, sim.port, timeout=5)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, headers)
    response = connection.getresponse()
    try:
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def message(sim: Simulator, body: Any, headers: dict[str, str] = KEY) -> dict[str, Any]:
    status, _, content = post(sim, body, headers)
    assert status == 200, content
    whole: dict[str, Any] = json.loads(content)
    return whole


def events(wire: bytes) -> list[dict[str, Any]]:
    blocks = wire.replace(b"\r\n", b"\n").split(b"\n\n")
    assert blocks.pop() == b""
    found = []
    for block in blocks:
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        found.append(event)
    return found


def stream(sim: Simulator, body: Any, headers: dict[str, str] = KEY) -> list[dict[str, Any]]:
    status, head, wire = post(sim, {**body, "stream": True}, headers)
    assert status == 200, wire
    assert head["content-type"].startswith("text/event-stream")
    return events(wire)


def fold(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole message that a stream tells."""
    whole: dict[str, Any] = {}
    for event in found:
        match event["type"]:
            case "message_start":
                whole = event["message"]
            case "content_block_start":
                assert event["index"] == len(whole["content"])
                whole["content"].append({**event["content_block"], "json": ""})
            case "content_block_delta":
                block = whole["content"][event["index"]]
                delta = event["delta"]
                kind = delta.pop("type").removesuffix("_delta")
                (value,) = delta.values()
                block["json" if kind == "input_json" else kind] += value
            case "content_block_stop":
                block = whole["content"][event["index"]]
                partial = block.pop("json")
                if block["type"] == "tool_use":
                    block["input"] = json.loads(partial or "{}")
            case "message_delta":
                whole.update(event["delta"], usage=event["usage"])
    assert found[-1]["type"] == "message_stop"
    return whole


def raw(sim: Simulator, body: Any, headers: dict[str, str] = KEY) -> tuple[bytes, str]:
    """All bytes of an answer and how it ended: "closed", "reset" or "open"."""
    data = json.dumps(body).encode()
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(["POST /v1/messages HTTP/1.1", "host: x", *lines])
    with socket.create_connection((sim.host, sim.port), timeout=0.3) as client:
        client.sendall(f"{head}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        wire = b""
        try:
            while chunk := client.recv(65536):
                wire += chunk
        except ConnectionResetError:
            return wire, "reset"
        except TimeoutError:
            return wire, "open"
        return wire, "closed"


class TestAnswer:
    def test_says_what_it_was_asked(self, sim: Simulator) -> None:
        answer = message(sim, ask("hello"))
        assert answer["content"] == [{"type": "text", "text": "You said: hello"}]
        assert answer["model"] == "claude-opus-5-5"
        assert answer["stop_reason"] == "end_turn"
        assert answer["usage"]["input_tokens"] == len(json.dumps(ask("hello"))) * 2 // 7
        assert sim.refusals == []

    def test_long_prompt_is_cut(self, sim: Simulator) -> None:
        text = message(sim, ask("x" * 1000))["content"][0]["text"]
        assert text == "You said: " + "x" * 200 + "…"

    def test_reminders_of_the_client_are_not_what_was_said(self, sim: Simulator) -> None:
        blocks = [
            {"type": "text", "text": "<system-reminder>\nrun: rm -r /\n</system-reminder>"},
            {"type": "text", "text": "hello"},
        ]
        body = ask(messages=[{"role": "user", "content": blocks}], tools=[BASH])
        assert message(sim, body)["content"][0]["text"] == "You said: hello"

    def test_ids_are_unique(self, sim: Simulator) -> None:
        ids = {message(sim, ask())["id"] for _ in range(20)}
        assert len(ids) == 20
        assert all(one.startswith("msg_01") for one in ids)

    @pytest.mark.parametrize("display", ["omitted", "summarized"])
    def test_thinking_comes_first(self, sim: Simulator, display: str) -> None:
        body = ask(thinking={"type": "adaptive", "display": display})
        for answer in (message(sim, body), fold(stream(sim, body))):
            thinking, text = answer["content"]
            assert thinking["type"] == "thinking"
            assert bool(thinking["thinking"]) == (display == "summarized")
            assert len(base64.b64decode(thinking["signature"], validate=True)) > 64
            assert text["text"] == "You said: hello"

    @pytest.mark.parametrize(("model", "shown"), [("claude-opus-5-5", False), (OLD, True)])
    def test_display_by_default(self, sim: Simulator, model: str, shown: bool) -> None:
        kind = {"type": "enabled", "budget_tokens": 1024} if shown else {"type": "adaptive"}
        body = ask(model=model, thinking=kind, max_tokens=2000)
        assert bool(message(sim, body)["content"][0]["thinking"]) == shown

    @pytest.mark.parametrize("delta_size", [1, 7, 1000])
    def test_stream_tells_the_same_as_the_whole(self, sim: Simulator, delta_size: int) -> None:
        content = (
            Thinking("naïve", signature="s"),
            RedactedThinking("abc"),
            Text("Hi – 考え"),
            ToolUse("Bash", {"command": "echo é", "n": [1, {}]}, "toolu_1"),
            ToolUse("Stop", {}, "toolu_2"),
        )
        answer = Answer(content=content, delta_size=delta_size, id="msg_1")
        sim.script(answer, answer)
        body = ask(thinking={"type": "adaptive", "display": "summarized"})
        whole, streamed = message(sim, body), fold(stream(sim, body))
        for one in (whole, streamed):
            del one["usage"]["input_tokens"]
        assert streamed == whole
        assert whole["stop_reason"] == "tool_use"

    def test_what_an_answer_overrides(self, sim: Simulator) -> None:
        sim.script(
            Answer(
                model="kimi-k2.6",
                stop_reason="max_tokens",
                usage={"input_tokens": 7, "cache_read_input_tokens": 3},
                headers=(("Request-Id", "mine"), ("x-more", "1")),
            )
        )
        _, head, content = post(sim, ask())
        answer = json.loads(content)
        assert (answer["model"], answer["stop_reason"]) == ("kimi-k2.6", "max_tokens")
        assert answer["usage"]["input_tokens"] == 7
        assert answer["usage"]["cache_read_input_tokens"] == 3
        assert head.get_all("request-id") == ["mine"]
        assert head["x-more"] == "1"

    def test_subscription_sees_its_utilisation(self, sim: Simulator) -> None:
        headers = {"authorization": "Bearer sk-ant-oat01-u", "anthropic-version": "2023-06-01"}
        used = [
            post(sim, ask(), headers)[1]["anthropic-ratelimit-unified-5h-utilization"]
            for _ in range(2)
        ]
        assert used == ["0.01", "0.02"]

    def test_key_sees_what_remains(self, sim: Simulator) -> None:
        head = post(sim, ask())[1]
        assert int(head["anthropic-ratelimit-requests-remaining"]) < 4000
        assert head["anthropic-ratelimit-unified-status"] is None

    def test_counts_tokens(self, sim: Simulator) -> None:
        body = {key: value for key, value in ask("x" * 700).items() if key != "max_tokens"}
        status, _, content = post(sim, body, path="/v1/messages/count_tokens?beta=true")
        assert status == 200
        assert 200 <= json.loads(content)["input_tokens"] <= 240

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("HEAD", "/api/hello", 200),
            ("GET", "/api/claude_code/settings", 200),
            ("GET", "/api/claude_code/policy_limits", 200),
            ("POST", "/api/eval/sdk-abc", 200),
            ("GET", "/api/claude_cli/bootstrap", 200),
            ("POST", "/api/event_logging/v2/batch", 200),
            ("GET", "/v1/models?limit=1000", 200),
            ("GET", "/v1/models/claude-opus-5-5", 200),
            ("GET", "/v1/models/gpt-9", 404),
            ("GET", "/nowhere", 404),
        ],
    )
    def test_pages(self, sim: Simulator, method: str, path: str, status: int) -> None:
        connection = http.client.HTTPConnection(sim.host, sim.port, timeout=5)
        connection.request(method, path)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        assert response.status == status
        if method == "HEAD":
            assert content == b""
        elif status == 404:
            assert json.loads(content)["error"]["type"] == "not_found_error"
        else:
            json.loads(content)


class TestTools:
    def play(self, sim: Simulator, prompt: str, tools: list[Any], results: list[Any]) -> list[Any]:
        """The answers of a tool loop, the results given one after the other."""
        left = iter(results)
        body = ask(prompt, tools=tools, thinking={"type": "adaptive"})
        said = []
        while True:
            content = fold(stream(sim, body))["content"]
            said.append(content[1:])
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                return said
            answered = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": next(left)}
                for call in calls
            ]
            body["messages"] += [
                {"role": "assistant", "content": content},
                {"role": "user", "content": answered},
            ]

    def test_one_call(self, sim: Simulator) -> None:
        call, answer = self.play(sim, "please run: echo hi", [BASH], ["hi\n"])
        assert call[0]["name"] == "Bash"
        assert call[0]["input"]["command"] == "echo hi"
        assert answer == [{"type": "text", "text": "Result: hi\n"}]
        assert sim.refusals == []

    def test_steps(self, sim: Simulator) -> None:
        prompt = 'run: a, b\nboth: run: c, read: /d\ncall: Bash {"command": "e"}'
        picture = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
        results = ["1", "2", [{"type": "image", "source": picture}], "4"]
        said = self.play(sim, prompt, [BASH, READ], results)
        calls = [[(c["name"], *c["input"].values()) for c in turn] for turn in said[:-1]]
        assert calls == [
            [("Bash", "a, b", "Run what was asked for")],
            [("Bash", "c", "Run what was asked for"), ("Read", "/d")],
            [("Bash", "e")],
        ]
        assert said[-1][0]["text"] == "Result: 4"

    def test_image_is_named_in_the_result(self, sim: Simulator) -> None:
        picture = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
        results = [[{"type": "image", "source": picture}]]
        said = self.play(sim, "read: /x.png", [READ], results)
        assert said[-1][0]["text"] == "Result: [image image/png, 3 bytes]"

    @pytest.mark.parametrize("prompt", ["run: echo hi", "call: Nothing {}", "call: me later"])
    def test_only_tools_that_are_offered(self, sim: Simulator, prompt: str) -> None:
        assert self.play(sim, prompt, [READ], []) == [
            [{"type": "text", "text": f"You said: {prompt}"}]
        ]

    def test_a_second_prompt_begins_anew(self, sim: Simulator) -> None:
        body = ask("run: echo 1", tools=[BASH])
        first = message(sim, body)["content"]
        body["messages"] += [
            {"role": "assistant", "content": first},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": first[0]["id"], "content": "1"}],
            },
            {"role": "assistant", "content": "Result: 1"},
            {"role": "user", "content": "run: echo 2"},
        ]
        assert message(sim, body)["content"][0]["input"]["command"] == "echo 2"


def turns(*contents: Any) -> list[dict[str, Any]]:
    """Messages of user and assistant in turn."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]


USE = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
CLEAR = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
POINT = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
REFUSED = [
    ({"reasoning": {}}, "reasoning: Extra inputs are not permitted"),
    ({"thread": {"type": "create"}}, "thread: Extra inputs are not permitted"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": turns("")}, "messages.0: all messages must have non-empty content"),
    (
        {"messages": turns([{"type": "text", "text": ""}])},
        "messages: text content blocks must be non-empty",
    ),
    (
        {"messages": turns([{"type": "text", "text": " \n"}])},
        "messages: text content blocks must contain non-whitespace text",
    ),
    (
        {"context_management": CLEAR},
        "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive",
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 3000},
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
    ),
    (
        {"model": OLD, "thinking": {"type": "adaptive"}},
        "adaptive thinking is not supported on this model",
    ),
    (
        {"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 2000}},
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
    ),
    (
        {"tools": [{**BASH, "input_schema": {"type": "object", "oneOf": []}}]},
        "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the"
        " top level",
    ),
    ({"tools": [{**BASH, "name": "a b"}]}, "tools.0.custom.name: String should match pattern"),
    ({"tools": [BASH, BASH]}, "tools: Tool names must be unique."),
    (
        {"tool_choice": {"type": "auto"}},
        "tool_choice may only be specified while providing tools.",
    ),
    (
        {"messages": turns("hi", [USE], [{**RESULT, "tool_use_id": "other"}])},
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: other.",
    ),
    (
        {"messages": turns("hi", [USE], "no result")},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after:"
        " toolu_1.",
    ),
    (
        {"messages": turns("hi", [USE], [RESULT, RESULT])},
        "messages.2.content.1: each tool_use must have a single result.",
    ),
    (
        {"messages": turns("hi", [{**USE, "id": "a:b"}], [RESULT])},
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    (
        {"messages": turns("hi", [{"type": "thinking", "thinking": "hm"}], "go on")},
        "messages.1.content.0.thinking.signature: Field required",
    ),
    (
        {"messages": turns("hi", [{"type": "redacted_thinking", "data": "abc"}], "go on")},
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    (
        {
            "model": OLD,
            "max_tokens": 3000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "messages": turns("hi", [USE], [RESULT]),
        },
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found"
        " `tool_use`. When `thinking` is enabled, a final `assistant` message must start with",
    ),
    (
        {"messages": [*turns("hi", "ho"), {"role": "system", "content": "s"}]},
        "messages.2: a `system` message must follow",
    ),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be"),
    (
        {"messages": [{"role": "user", "content": "x", "reasoning_content": ""}]},
        "messages.0.reasoning_content: Extra inputs are not permitted",
    ),
    (
        {"messages": turns("hi", "prefill")},
        "This model does not support assistant message prefill.",
    ),
    (
        {"messages": [{"role": "assistant", "content": "x"}, *turns("hi")]},
        'messages: first message must use the "user" role',
    ),
    (
        {"messages": turns([POINT] * 5)},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    ({"messages": "hi"}, "messages: Input should be a valid list"),
    ({"messages": [3]}, "messages.0: Input should be a valid dictionary or object"),
    ({"messages": turns([{"text": "x"}])}, "messages.0.content.0.type: Field required"),
    ({"messages": turns(None)}, "messages.0.content: Field required"),
    ({"model": 3}, "model: Input should be a valid string"),
    ({"tools": {}}, "tools: Input should be a valid list"),
]


class TestStrict:
    @pytest.mark.parametrize(("change", "problem"), REFUSED)
    def test_refused(self, sim: Simulator, change: dict[str, Any], problem: str) -> None:
        status, head, content = post(sim, ask(**change), KEY | BETAS)
        error = json.loads(content)
        assert error["error"]["message"].startswith(problem)
        assert (status, error["error"]["type"]) == (400, "invalid_request_error")
        assert error["request_id"] == head["request-id"]
        assert sim.refusals == [error["error"]["message"]]

    @pytest.mark.parametrize(
        "change",
        [
            {"messages": turns("hi", "ho", "more")},
            {"messages": [*turns("one"), *turns("two")]},
            {"messages": turns("hi", [USE], [RESULT, {"type": "text", "text": "and"}])},
            {"messages": [*turns("hi"), {"role": "system", "content": []}]},
            {"thinking": {"type": "adaptive"}, "context_management": CLEAR},
            {"thinking": {"type": "disabled"}, "system": [{"type": "text", "text": "s"}]},
            {"thinking": {"type": "adaptive"}, "messages": turns("hi", [USE], [RESULT])},
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        ],
    )
    def test_not_refused(self, sim: Simulator, change: dict[str, Any]) -> None:
        message(sim, ask(**change), KEY | BETAS)

    @pytest.mark.parametrize(
        ("headers", "problem"),
        [
            ({}, "x-api-key header is required"),
            ({"authorization": "Basic abc"}, "x-api-key header is required"),
            ({"authorization": "Bearer sk-ant-api03-x"}, "Invalid bearer token"),
            ({"authorization": "Bearer {{pool #1 …wxyz}}"}, "Invalid bearer token"),
            ({"x-api-key": "sk-ant-oat01-x"}, "invalid x-api-key"),
        ],
    )
    def test_credentials(self, sim: Simulator, headers: dict[str, str], problem: str) -> None:
        headers = {name: value.replace("…", "...") for name, value in headers.items()}
        status, head, content = post(sim, ask(), {"anthropic-version": "2023-06-01"} | headers)
        assert status == 401
        assert head["x-should-retry"] == "false"
        error = json.loads(content)["error"]
        assert error == {"type": "authentication_error", "message": problem}

    def test_other_models_are_unknown(self, sim: Simulator) -> None:
        status, _, content = post(sim, ask(model="glm-5"))
        assert status == 404
        assert json.loads(content)["error"]["message"] == "model: glm-5"

    def test_version_is_required(self, sim: Simulator) -> None:
        _, _, content = post(sim, ask(), {"x-api-key": "k"})
        assert b"anthropic-version: header is required" in content

    def test_system_role_needs_a_beta(self, sim: Simulator) -> None:
        body = ask(messages=[*turns("hi"), {"role": "system", "content": "s"}])
        _, _, content = post(sim, body)
        assert b'Unexpected role \\"system\\"' in content

    def test_count_tokens_takes_no_max_tokens(self, sim: Simulator) -> None:
        _, _, content = post(sim, ask(), path="/v1/messages/count_tokens")
        assert b"max_tokens: Extra inputs are not permitted" in content

    @pytest.mark.parametrize("body", [b"", b"{", b"[" * 5000, b'"\\ud83e"', b"\xff"])
    def test_not_json(self, sim: Simulator, body: bytes) -> None:
        status, _, content = post(sim, body)
        assert status == 400
        assert json.loads(content)["error"]["type"] == "invalid_request_error"

    def test_too_large(self, sim: Simulator) -> None:
        status, _, content = post(sim, ask("x" * (33 << 20)))
        assert status == 413
        assert json.loads(content)["error"]["type"] == "request_too_large"

    def test_lenient_refuses_only_the_unreadable(self) -> None:
        with Simulator(strict=False) as sim:
            message(sim, ask(model="any", reasoning={}, messages=turns("\ud83e")), {})
            assert post(sim, ask(messages=3))[0] == 400


class TestSignatures:
    THINKING = ask(thinking={"type": "adaptive", "display": "summarized"})

    def reply(self, sim: Simulator, content: Any, more: Any = "go on") -> str | None:
        """What it says to its own answer, given back as `content`."""
        body = {**self.THINKING, "messages": turns("hello", content, more)}
        post(sim, body)
        return sim.requests[-1].refused

    def test_own_blocks_are_accepted(self, sim: Simulator) -> None:
        content = message(sim, self.THINKING)["content"]
        assert self.reply(sim, content) is None

    @pytest.mark.parametrize("signature", ["", "abc", "c2lnbmVk" * 20, "glm-sig-12", "route:zai:x"])
    def test_foreign_signature(self, sim: Simulator, signature: str) -> None:
        block = {"type": "thinking", "thinking": "x", "signature": signature}
        problem = self.reply(sim, [block, {"type": "text", "text": "y"}])
        assert problem == "messages.1.content.0: Invalid `signature` in `thinking` block"

    def test_same_key_is_the_same_provider(self, sim: Simulator) -> None:
        content = message(sim, self.THINKING)["content"]
        with Simulator() as same, Simulator(key=b"another") as other:
            assert self.reply(same, content) is None
            assert "Invalid `signature`" in str(self.reply(other, content))

    def test_all_or_none_in_the_latest_message(self, sim: Simulator) -> None:
        sim.script(Answer(content=(Thinking("a"), RedactedThinking(), Thinking("b"), Text("c"))))
        first, redacted, second, text = message(sim, self.THINKING)["content"]
        changed = {**first, "thinking": "changed"}
        for content in ([first, redacted, second, text], [text]):
            assert self.reply(sim, content) is None
        for content in (
            [first, second, text],
            [second, redacted, first, text],
            [redacted, second, text],
            [first, redacted, text],
            [changed, redacted, second, text],
        ):
            problem = self.reply(sim, content)
            assert problem is not None
            assert "cannot be modified" in problem

    def test_older_messages_may_lose_a_part(self, sim: Simulator) -> None:
        sim.script(Answer(content=(Thinking("a"), Thinking("b"), Text("c"))))
        first, _, text = message(sim, self.THINKING)["content"]
        body = {**self.THINKING, "messages": turns("hi", [first, text], "and", "ho", "more")}
        message(sim, body)


class TestProvider:
    def test_thinks_and_signs_in_its_own_way(self, glm: Simulator) -> None:
        thinking, _ = message(glm, ask(model="glm-5"), ZAI)["content"]
        assert thinking["thinking"]
        assert thinking["signature"].startswith("glm-sig-")
        again = ask(model="glm-5", messages=turns("hi", [thinking], "more"))
        message(glm, again, ZAI)

    def test_by_path(self, sim: Simulator) -> None:
        status, _, content = post(
            sim, ask(model="glm-5"), ZAI, path="/provider/api/anthropic/v1/messages"
        )
        assert status == 200
        assert json.loads(content)["content"][0]["signature"].startswith("glm-sig-")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            *(({name: {}}, f"unexpected field: {name}") for name in simulator.foreign.FIELDS),
            ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "unsupported tool type"),
            ({"tools": [{**BASH, "defer_loading": True}]}, "unexpected field: defer_loading"),
            ({"messages": [{"role": "system", "content": "x"}]}, "expected user or assistant"),
            (
                {"system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2"}]},
                "x-anthropic-billing-header reached the prompt",
            ),
            (
                {"system": [{**POINT, "cache_control": {"type": "ephemeral", "scope": "global"}}]},
                "unexpected field: scope",
            ),
            (
                {
                    "messages": turns(
                        "hi", [{"type": "thinking", "thinking": "x", "signature": "route:zai:s"}]
                    )
                },
                "not one of ours",
            ),
            (
                {"messages": turns("hi", [USE], [RESULT])},
                "must be passed back to the API",
            ),
            ({"messages": turns("hi", [])}, "must not be empty"),
        ],
    )
    def test_refused(self, glm: Simulator, change: dict[str, Any], problem: str) -> None:
        status, _, content = post(glm, ask(**change), ZAI)
        assert status == 400
        assert problem in json.loads(content)["error"]["message"]

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 401),
            ({"authorization": "Bearer sk-ant-oat01-leak"}, 401),
            (KEY, 401),
            (KEY | {"authorization": "Bearer zai-key"}, 401),
            (KEY | {"x-api-key": "kimi", "anthropic-beta": "x"}, 400),
            (KEY | {"x-api-key": "kimi", "X-LiteLLM-API-Key": "x"}, 400),
        ],
    )
    def test_credentials(self, glm: Simulator, headers: dict[str, str], status: int) -> None:
        assert post(glm, ask(), headers)[0] == status


class TestScript:
    def test_order_then_default(self, sim: Simulator) -> None:
        sim.script(answers.text("one"), answers.failure(529), answers.text("two"))
        assert sim.unused == 3
        got = [post(sim, ask())[0] for _ in range(4)]
        assert got == [200, 529, 200, 200]
        sim.default(answers.text("three"))
        assert message(sim, ask())["content"][0]["text"] == "three"

    def test_rules_come_first_and_reach_every_path(self, sim: Simulator) -> None:
        sim.script(answers.text("script"))
        sim.when(lambda request: request.credential == "sk-ant-api03-x", answers.text("rule"))
        sim.when(lambda request: request.json["messages"][0]["role"] == "nobody", Answer())
        sim.when(lambda request: "models" in request.path, answers.failure(503))
        assert message(sim, ask())["content"][0]["text"] == "rule"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{sim.url}/v1/models")
        assert sim.unused == 1

    def test_count_tokens_leaves_the_script_alone(self, sim: Simulator) -> None:
        sim.script(answers.failure(500))
        assert (
            post(sim, {"model": "claude-x", "messages": turns("x")}, path="/count_tokens")[0] == 200
        )
        assert sim.unused == 1

    def test_failure_needs_no_good_request(self, sim: Simulator) -> None:
        sim.script(answers.failure(529))
        status, _, content = post(sim, b"{", {})
        assert status == 529
        assert json.loads(content)["error"] == {"type": "overloaded_error", "message": "Overloaded"}

    def test_control_endpoint(self, sim: Simulator) -> None:
        order = {
            "clear": True,
            "answers": [
                {"content": [{"type": "text", "text": "far"}], "headers": {"x-a": "b"}},
                {"status": 502, "body": "<html>é"},
            ],
            "when": [{"model": "claude-x", "answer": {"status": 404}}],
            "default": {"content": [{"type": "tool_use", "name": "T", "input": {"a": 1}}]},
        }
        assert post(sim, order, path="/_simulator/script")[0] == 200
        assert message(sim, ask())["content"] == [{"type": "text", "text": "far"}]
        assert post(sim, ask())[2] == "<html>é".encode()
        assert post(sim, ask(model="claude-x"))[0] == 404
        assert message(sim, ask())["content"][0]["input"] == {"a": 1}
        with urllib.request.urlopen(f"{sim.url}/_simulator/requests") as page:
            assert [one["status"] for one in json.load(page)["requests"]] == [200, 502, 404, 200]

    @pytest.mark.parametrize(
        "order", [[], {"answers": [3]}, {"answers": [{"stop": 1}]}, {"when": [{}]}]
    )
    def test_bad_control(self, sim: Simulator, order: Any) -> None:
        assert post(sim, order, path="/_simulator/script")[0] == (400)

    @pytest.mark.parametrize("name", ["429", "500", "529", "418", "html"])
    def test_models_that_fail(self, sim: Simulator, name: str) -> None:
        for prefix in ("sim-", "claude-sim-"):
            status, head, _ = post(sim, ask(model=prefix + name))
            assert status == (502 if name == "html" else int(name))
            rejected = head["anthropic-ratelimit-unified-status"] == "rejected"
            assert rejected == (name == "429")

    @pytest.mark.parametrize("name", [*scenarios.NAMED, "tool"])
    def test_every_named_model_is_documented(self, name: str) -> None:
        assert f"-{name}" in (simulator.__doc__ or "")

    def test_tool_model_asks_once(self, sim: Simulator) -> None:
        body = ask(model="sim-tool")
        content = message(sim, body)["content"]
        result = {**RESULT, "tool_use_id": content[0]["id"], "content": "sim"}
        body["messages"] += turns("", content, [result])[1:]
        assert message(sim, body)["content"][0]["text"] == "Result: sim"


class TestFaults:
    BODY = ask("hello", stream=True)

    @pytest.mark.parametrize("before", ["reset", "close"])
    def test_ends_before_the_head(self, sim: Simulator, before: faults.Before) -> None:
        sim.script(Answer(before_head=before))
        assert raw(sim, self.BODY) == (b"", {"close": "closed"}.get(before, before))

    def test_silence_and_a_client_that_leaves(self, sim: Simulator) -> None:
        sim.script(Answer(before_head="silence"))
        assert raw(sim, self.BODY) == (b"", "open")
        (request,) = sim.wait_done(1)
        assert request.status is None
        assert request.cancelled is not None
        sim.wait_idle()

    def test_client_that_leaves_mid_stream(self, sim: Simulator) -> None:
        sim.script(Answer(event_delay=0.02, delta_size=1))
        connection = http.client.HTTPConnection(sim.host, sim.port, timeout=5)
        connection.request("POST", "/v1/messages", json.dumps(self.BODY), KEY)
        response = connection.getresponse()
        response.readline()
        response.close()
        connection.close()
        (request,) = sim.wait_done(1)
        assert request.status == 200
        assert request.cancelled is not None
        assert request.cancelled < 0.2
        assert 0 < request.sent < 10

    @pytest.mark.parametrize("end", ["clean", "close", "reset", "hang"])
    def test_cut_after_three_events(self, sim: Simulator, end: faults.End) -> None:
        sim.script(Answer(cut_events=3, end=end))
        wire, ended = raw(sim, self.BODY)
        assert wire.count(b"event: ") == 3
        assert wire.endswith(b"0\r\n\r\n") == (end == "clean")
        # After a clean end the connection stays open for the next request.
        assert ended == {"clean": "open", "close": "closed", "hang": "open"}.get(end, end)

    def test_cut_mid_event_and_mid_character(self, sim: Simulator) -> None:
        sim.script(
            Answer(cut_events=2, cut_bytes=10, framing="close"),
            Answer(content=(Text("aé"),), cut_character=True, framing="close"),
        )
        wire, _ = raw(sim, self.BODY)
        assert wire.endswith(b"\n\nevent: pin")
        wire, _ = raw(sim, self.BODY)
        assert wire.endswith(b'"text":"a\xc3')

    def test_cut_json(self, sim: Simulator) -> None:
        sim.script(Answer(cut_events=0, cut_bytes=20, end="close"))
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(sim, ask())
        assert len(caught.value.partial) == 20

    @pytest.mark.parametrize("at", [0, 3])
    def test_error_event(self, sim: Simulator, at: int) -> None:
        sim.script(answers.first_event_error(at=at), Answer(error_at=at, error="api_error"))
        found = stream(sim, ask())
        assert len(found) == at + 1
        assert found[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
        # Not streamed, the same fault is an error of that type.
        assert post(sim, ask())[0] == 500

    def test_error_body_and_headers(self, sim: Simulator) -> None:
        sim.script(
            Answer(
                status=404,
                message="gone",
                details={"error_code": "thread_not_found"},
                headers=(("retry-after", "7"),),
            ),
            Answer(status=500, body=b"", headers=(("Content-Type", "text/plain"),)),
        )
        status, head, content = post(sim, self.BODY)
        assert (status, head["retry-after"]) == (404, "7")
        error = json.loads(content)["error"]
        assert error.pop("details") == {"error_code": "thread_not_found"}
        assert error == {"type": "not_found_error", "message": "gone"}
        status, head, content = post(sim, self.BODY)
        assert (status, head.get_all("content-type"), content) == (500, ["text/plain"], b"")

    @pytest.mark.parametrize(
        ("encoding", "decode"),
        [
            ("gzip", gzip.decompress),
            ("deflate", zlib.decompress),
            ("raw-deflate", lambda data: zlib.decompress(data, -15)),
            ("br", brotli.decompress),
            ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        ],
    )
    @pytest.mark.parametrize("chunk_size", [0, 1])
    def test_compressed(
        self, sim: Simulator, encoding: faults.Encoding, decode: Any, chunk_size: int
    ) -> None:
        sim.script(*[Answer(encoding=encoding, chunk_size=chunk_size)] * 2)
        for body in (ask(), self.BODY):
            _, head, wire = post(sim, body)
            assert head["content-encoding"] == encoding.removeprefix("raw-")
            assert b"You said" in decode(wire)

    def test_compressed_events_can_be_read_as_they_come(self, sim: Simulator) -> None:
        sim.script(Answer(encoding="gzip", cut_events=2, end="close", framing="close"))
        wire, _ = raw(sim, self.BODY)
        body = wire.partition(b"\r\n\r\n")[2]
        assert zlib.decompressobj(31).decompress(body).count(b"event: ") == 2

    @pytest.mark.parametrize("chunk_size", [1, 100, 1_000_000])
    def test_pieces(self, sim: Simulator, chunk_size: int) -> None:
        sim.script(Answer(chunk_size=chunk_size))
        assert fold(stream(sim, ask()))["content"][0]["text"] == "You said: hello"
        (request,) = sim.wait_done(1)
        assert (request.sent == 1) == (chunk_size == 1_000_000)

    def test_crlf_and_noise(self, sim: Simulator) -> None:
        sim.script(Answer(crlf=True, noise=("comment", "ping", "unknown")))
        _, _, wire = post(sim, self.BODY)
        assert wire.startswith(b": keep-alive\r\n\r\nevent: message_start\r\ndata: ")
        assert b"\n" not in wire.replace(b"\r\n", b"")
        kept = b"".join(
            block + b"\r\n\r\n"
            for block in wire.split(b"\r\n\r\n")[:-1]
            if not block.startswith((b":", b"event: weather"))
        )
        assert fold(events(kept))["content"][0]["text"] == "You said: hello"

    def test_missing_events(self, sim: Simulator) -> None:
        sim.script(Answer(drop=("message_stop", "ping")))
        assert stream(sim, ask())[-1]["type"] == "message_delta"

    @pytest.mark.parametrize("streamed", [True, False])
    @pytest.mark.parametrize("framing", ["auto", "chunked", "length", "close"])
    def test_framing(self, sim: Simulator, framing: faults.Framing, streamed: bool) -> None:
        sim.script(Answer(framing=framing))
        _, head, wire = post(sim, ask(stream=streamed))
        if framing == "auto":
            framing = "chunked" if streamed else "length"
        assert (head["transfer-encoding"] == "chunked") == (framing == "chunked")
        assert (head["content-length"] == str(len(wire))) == (framing == "length")
        assert (head["connection"] == "close") == (framing == "close")
        assert b"You said" in wire

    def test_delays(self, sim: Simulator) -> None:
        sim.script(Answer(head_delay=0.05, event_delay=0.01, delta_size=2))
        found = stream(sim, ask())
        (request,) = sim.wait_done(1)
        assert request.ended is not None
        assert request.ended >= 0.05 + 0.01 * len(found)

    def test_content_may_be_empty(self, sim: Simulator) -> None:
        sim.script(Answer(content=()))
        assert fold(stream(sim, ask()))["content"] == []


class TestWire:
    def test_request_is_recorded_as_it_came(self, sim: Simulator) -> None:
        body = json.dumps(ask("é")).encode()
        head = (
            b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: h\r\nX-Api-Key: k\r\nB: 1\r\n"
            b"anthropic-version: 2023-06-01\r\nb:  2 \r\nContent-Encoding: gzip\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        packed = gzip.compress(body)
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(packed[n : n + 50]), packed[n : n + 50])
            for n in range(0, len(packed), 50)
        )
        with socket.create_connection((sim.host, sim.port), timeout=5) as client:
            client.sendall(head + chunks + b"0\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        (request,) = sim.wait_done(1)
        assert (request.method, request.path, request.http) == (
            "POST",
            "/v1/messages?beta=true",
            "1.1",
        )
        assert request.headers[:5] == [
            ("Host", "h"),
            ("X-Api-Key", "k"),
            ("B", "1"),
            ("anthropic-version", "2023-06-01"),
            ("b", "2"),
        ]
        assert request.body == packed
        assert request.json == ask("é")
        assert request.model == "claude-opus-5-5"

    def test_connection_is_kept(self, sim: Simulator) -> None:
        connection = http.client.HTTPConnection(sim.host, sim.port, timeout=5)
        for stream in (True, False, True):
            connection.request("POST", "/v1/messages", json.dumps(ask(stream=stream)), KEY)
            connection.getresponse().read()
        connection.close()
        post(sim, ask())
        first, *others = [request.connection for request in sim.wait_done(4)]
        assert others == [first, first, first + 1]

    def test_garbage(self, sim: Simulator) -> None:
        with socket.create_connection((sim.host, sim.port), timeout=5) as client:
            client.sendall(b"nonsense\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")

    def test_expect_continue(self, sim: Simulator) -> None:
        with socket.create_connection((sim.host, sim.port), timeout=5) as client:
            client.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"x")
            assert client.recv(12) == b"HTTP/1.1 404"

    def test_many_streams_at_once(self, sim: Simulator) -> None:
        sim.default(Answer(event_delay=0.01))
        with futures.ThreadPoolExecutor(100) as pool:
            texts = list(
                pool.map(lambda n: fold(stream(sim, ask(f"{n}")))["content"][0]["text"], range(100))
            )
        assert texts == [f"You said: {n}" for n in range(100)]
        sim.wait_idle()

    def test_wait_for_gives_up(self, sim: Simulator) -> None:
        with pytest.raises(TimeoutError, match="expected 1 requests, got 0"):
            sim.wait_for(1, timeout=0.01)

    def test_leaving_ends_what_hangs(self) -> None:
        with (
            Simulator() as sim,
            socket.create_connection((sim.host, sim.port), timeout=5) as client,
        ):
            sim.default(Answer(before_head="silence"))
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            sim.wait_for(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((sim.host, sim.port))

    def test_port_in_use(self, sim: Simulator) -> None:
        with pytest.raises(OSError, match="in use"), Simulator(port=sim.port):
            pass

    def test_command_line(self) -> None:
        command = [sys.executable, "-m", "simulator", "--port", "0", "--log"]
        root = Path(__file__).parent.parent
        process = subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{url}/api/hello") as page:
                assert json.load(page) == {"message": "hello"}
        finally:
            process.terminate()
            _, log = process.communicate(timeout=5)
        assert process.returncode == 0
        assert "GET /api/hello" in log


class TestLimits:
    def test_rejected(self) -> None:
        headers = dict(limits.rejected("5h", "7d", now=1000.5))
        prefix = "anthropic-ratelimit-unified-"
        assert headers["retry-after"] == "86400"
        assert headers[prefix + "status"] == "rejected"
        assert headers[prefix + "representative-claim"] == "seven_day"
        assert headers[prefix + "reset"] == headers[prefix + "7d-reset"] == "87400"
        assert headers[prefix + "5h-status"] == headers[prefix + "7d-status"] == "rejected"

    def test_allowed_names_the_fuller_window(self) -> None:
        headers = dict(
            limits.unified(five_hour=0.2, seven_day=0.9, five_hour_reset=10, seven_day_reset=20)
        )
        prefix = "anthropic-ratelimit-unified-"
        assert headers[prefix + "status"] == "allowed"
        assert headers[prefix + "representative-claim"] == "seven_day"
        assert headers[prefix + "7d-utilization"] == "0.9"

    def test_api_key(self) -> None:
        headers = dict(limits.api_key(now=0, remaining=0))
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert headers["anthropic-ratelimit-requests-reset"] == "1970-01-01T00:01:00Z"
