"""The simulator's Chat Completions API: its answers, its streams, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import Answer
from simulator import Simulator
from simulator import Text
from simulator import Thinking
from simulator import ToolUse
from simulator import answers
from tests.wire.simulator_client import KEY
from tests.wire.simulator_client import post

PATH = "/api/v1/chat/completions"
OPENROUTER = {"authorization": "Bearer or-key"}
SCHEMA = {"type": "object"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def ask(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "qwen", "messages": messages or [user("hello")], **fields}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def called(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


def call(name: str = "Bash", arguments: Any = "{}", **fields: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": "call_1", "type": "function", "function": function, **fields}


def result(content: Any = "ok", to: str = "call_1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": to, "content": content}


def tool(name: str = "Bash", **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **fields}}


def completion(sim: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    status, _, content = post(sim, body, OPENROUTER, PATH)
    assert status == 200, content
    whole: dict[str, Any] = json.loads(content)
    return whole


def chunks(sim: Simulator, body: dict[str, Any]) -> list[dict[str, Any]]:
    status, head, wire = post(sim, {**body, "stream": True}, OPENROUTER, PATH)
    assert status == 200, wire
    assert head["content-type"].startswith("text/event-stream")
    *events, done, end = wire.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def fold(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The message in a stream."""
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, Any]] = {}
    for chunk in found:
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                if name != "tool_calls":
                    message[name] = (message.get(name) or "") + value if value else value
                    continue
                for part in value:
                    known = calls.setdefault(part["index"], {"function": {"arguments": ""}})
                    known |= {key: part[key] for key in ("id", "type") if key in part}
                    function = dict(part["function"])
                    known["function"]["arguments"] += function.pop("arguments", "")
                    known["function"] |= function
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return message


class TestAnswer:
    def test_says_what_it_was_asked(self, sim: Simulator) -> None:
        whole = completion(sim, ask())
        assert whole["object"] == "chat.completion"
        assert whole["choices"][0]["message"]["content"] == "You said: hello"
        assert whole["choices"][0]["finish_reason"] == "stop"
        usage = whole["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert sim.refusals == []

    @pytest.mark.parametrize("style", ["openai", "whole", "together", "interleaved", "late"])
    def test_stream_says_the_same_as_the_whole(self, sim: Simulator, style: Any) -> None:
        content = (
            Thinking("hm – 考え"),
            Text("I call naïvely."),
            ToolUse("Bash", {"command": "echo é"}, "call_1"),
            ToolUse("Stop", {}, "call_2"),
        )
        sim.script(*[Answer(content=content, calls=style, delta_size=4)] * 2)
        whole = completion(sim, ask())["choices"][0]
        found = chunks(sim, ask())
        assert fold(found) == {**whole["message"], "refusal": None}
        assert found[-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "tool_calls"

    def test_calls_by_index(self, sim: Simulator) -> None:
        two = (ToolUse("A", {"a": 1}), ToolUse("B", {"b": 2}))
        shapes = {}
        for style in ("openai", "whole", "together", "interleaved", "late"):
            sim.script(Answer(content=two, calls=style, delta_size=4))
            deltas = [chunk["choices"][0]["delta"] for chunk in chunks(sim, ask())]
            parts = [delta["tool_calls"] for delta in deltas if "tool_calls" in delta]
            shapes[style] = [[part["index"] for part in part_list] for part_list in parts]
        assert shapes == {
            "openai": [[0], [0], [0], [1], [1], [1]],
            "whole": [[0], [1]],
            "together": [[0, 1]],
            "interleaved": [[0], [1], [0], [1], [0], [1]],
            "late": [[0], [0], [0], [0], [1], [1], [1], [1]],
        }

    @pytest.mark.parametrize("wanted", [True, False])
    def test_usage_only_when_asked_for(self, sim: Simulator, wanted: bool) -> None:
        options = {"stream_options": {"include_usage": True}} if wanted else {}
        sim.script(Answer(usage={"input_tokens": 5, "cache_read_input_tokens": 3}))
        found = chunks(sim, ask(**options))
        usages = [chunk["usage"] for chunk in found if chunk.get("usage")]
        assert len(usages) == wanted
        if wanted:
            assert found[-1]["choices"] == []
            assert usages[0]["prompt_tokens"] == 8
            assert usages[0]["prompt_tokens_details"] == {"cached_tokens": 3}

    def test_reasoning_is_for_those_who_ask(self, sim: Simulator) -> None:
        assert "reasoning_content" not in completion(sim, ask())["choices"][0]["message"]
        message = completion(sim, ask(reasoning_effort="high"))["choices"][0]["message"]
        assert message["reasoning_content"]

    def test_reasoning_in_other_words(self, sim: Simulator) -> None:
        content = (Thinking("hm"), Text("ah"))
        sim.script(
            Answer(content=content, reasoning="reasoning"),
            Answer(content=content, reasoning="reasoning_details"),
        )
        assert fold(chunks(sim, ask()))["reasoning"] == "hm"
        message = completion(sim, ask())["choices"][0]["message"]
        assert message["reasoning_details"][0]["text"] == message["reasoning"] == "hm"

    @pytest.mark.parametrize(
        ("stop", "finish"),
        [("max_tokens", "length"), ("refusal", "content_filter"), ("odd", "odd")],
    )
    def test_finish_reason(self, sim: Simulator, stop: str, finish: str) -> None:
        sim.script(Answer(stop_reason=stop))
        assert completion(sim, ask())["choices"][0]["finish_reason"] == finish

    def test_tool_loop(self, sim: Simulator) -> None:
        body = ask(user("both: run: echo 1, read: /x\nrun: echo 2"), tools=[tool(), tool("Read")])
        body["messages"] = list(body["messages"])
        for results in (["1", "an image follows"], ["2"]):
            message = fold(chunks(sim, body))
            body["messages"].append(message)
            for one, given in zip(message["tool_calls"], results, strict=True):
                body["messages"].append(result(given, one["id"]))
        body["messages"].append(user([PICTURE]))
        text = completion(sim, body)["choices"][0]["message"]["content"]
        assert text == "Result: 2\n[image image/png, 3 bytes]"


class TestFaults:
    def test_errors(self, sim: Simulator) -> None:
        sim.script(answers.failure(429, "slow down", headers=[("retry-after", "3")]))
        status, head, content = post(sim, ask(), OPENROUTER, PATH)
        assert (status, head["retry-after"]) == (429, "3")
        error = json.loads(content)["error"]
        assert (error["message"], error["code"]) == ("slow down", "rate_limit_exceeded")

    def test_error_in_the_stream(self, sim: Simulator) -> None:
        sim.script(answers.first_event_error("api_error", at=2))
        _, _, wire = post(sim, ask(stream=True), OPENROUTER, PATH)
        *_, last, end = wire.split(b"\n\n")
        assert end == b""
        event = json.loads(last.removeprefix(b"data: "))
        assert event["error"] == {"code": 500, "message": "Internal server error"}
        assert wire.count(b"data: ") == 3

    def test_comments_and_no_done(self, sim: Simulator) -> None:
        sim.script(Answer(noise=("openrouter", "no-choices"), drop=("[DONE]", "usage")))
        _, _, wire = post(sim, ask(stream=True), OPENROUTER, PATH)
        assert wire.startswith(b": OPENROUTER PROCESSING\n\ndata: {")
        assert b'"choices":[]}\n\n' in wire
        assert b"[DONE]" not in wire


REFUSED = [
    ({"top_k": 5}, "Unknown parameter: 'top_k'."),
    ({"thinking": {}}, "Unknown parameter: 'thinking'."),
    ({"messages": []}, "Invalid 'messages': empty array."),
    (
        {"max_tokens": 5, "max_completion_tokens": 5},
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
    ),
    ({"model": "gpt-5.2", "max_tokens": 5}, "Unsupported parameter: 'max_tokens'"),
    ({"model": "o3", "temperature": 0.5}, "Unsupported value: 'temperature'"),
    ({"stop": ["a"] * 5}, "Invalid 'stop': array too long."),
    ({"user": "x" * 65}, "Invalid 'user': string too long."),
    ({"stream_options": {}}, "The 'stream_options' parameter is only allowed when"),
    ({"tool_choice": "auto"}, "Invalid value for 'tool_choice'"),
    ({"parallel_tool_calls": True}, "Invalid value for 'parallel_tool_calls'"),
    ({"tools": []}, "Invalid 'tools': empty array."),
    ({"tools": [tool("x" * 65)]}, "Invalid 'tools[0].function.name': string too long."),
    ({"tools": [tool("a.b")]}, "Invalid 'tools[0].function.name': string does not match pattern."),
    ({"tools": [tool(input_schema={})]}, "Unknown parameter: 'tools[0].function.input_schema'."),
    ({"tools": [tool(parameters={})]}, "Invalid schema for function 'Bash'"),
    ({"tools": [{"name": "Bash"}]}, "Invalid value for 'tools[0]'"),
    (
        {"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "Invalid value for 'tool_choice': no function named 'x'",
    ),
    (
        {"tools": [tool(parameters={"type": "object", "anyOf": [SCHEMA]})]},
        "Invalid schema for function 'Bash': schema must have type 'object' and not have",
    ),
    ({"tools": [tool()], "tool_choice": "any"}, "Invalid value: 'any'. Supported values are"),
    ({"messages": [user("a"), {"role": "system", "content": "b"}]}, "System message must be at"),
    (
        {"messages": [{"role": "system", "content": "a"}] * 2},
        "System message must be at the beginning.",
    ),
    ({"messages": [{"role": "function", "content": "a"}]}, "Invalid value: 'function'."),
    ({"messages": [user(None)]}, "Invalid value for 'content': expected a string, got null."),
    ({"messages": [user("")]}, "Invalid 'messages[0].content': must not be empty."),
    ({"messages": [user([])]}, "Invalid 'messages[0].content': empty array."),
    (
        {"messages": [user([{"type": "text", "text": ""}])]},
        "Invalid 'messages[0].content[0].text': must not be empty.",
    ),
    (
        {"messages": [user([{"type": "text", "text": "a", "cache_control": {}}])]},
        "Unknown parameter: 'messages[0].content[0].cache_control'.",
    ),
    ({"messages": [user([{"type": "tool_result"}])]}, "Invalid value: 'tool_result'"),
    ({"messages": [{**user("a"), "id": 1}]}, "Unknown parameter: 'messages[0].id'."),
    (
        {"messages": [user("a"), {"role": "assistant", "content": None}]},
        "Invalid value for 'content': expected a string, got null.",
    ),
    (
        {"messages": [user("a"), called(call()), user("b")]},
        "An assistant message with 'tool_calls' must be followed by tool messages",
    ),
    ({"messages": [user("a"), called(call())]}, "An assistant message with 'tool_calls' must"),
    ({"messages": [user("a"), result()]}, "Invalid parameter: messages[1]: messages with role"),
    (
        {"messages": [user("a"), called(call()), result(), result()]},
        "Invalid parameter: messages[3]",
    ),
    (
        {"messages": [user("a"), called(call()), result([PICTURE])]},
        "Invalid 'messages[2]'. Image URLs are only allowed for messages with role 'user'",
    ),
    (
        {"messages": [user("a"), called(call(arguments={})), result()]},
        "Invalid type for 'messages[1].tool_calls[0].function.arguments': expected a string.",
    ),
    (
        {"messages": [user("a"), called(call(arguments="")), result()]},
        "Invalid 'messages[1].tool_calls[0].function.arguments': expected a JSON object.",
    ),
    (
        {"messages": [user("a"), called(call(id="c" * 41)), result(to="c" * 41)]},
        "Invalid 'messages[1].tool_calls[0].id': string too long.",
    ),
    ({"messages": [user("a"), called(call("a b")), result()]}, "Invalid 'messages[1].tool_calls"),
    ({"messages": "a"}, "Invalid type for 'messages'"),
    ({"messages": ["a"]}, "Invalid type for 'messages[0]'"),
    ({"messages": [user(3)]}, "Invalid type for 'messages[0].content'"),
]


class TestStrict:
    @pytest.mark.parametrize(("change", "problem"), REFUSED)
    def test_refused(self, sim: Simulator, change: dict[str, Any], problem: str) -> None:
        status, _, content = post(sim, {**ask(), **change}, OPENROUTER, PATH)
        error = json.loads(content)["error"]
        assert error["message"].startswith(problem)
        assert (status, error["type"]) == (400, "invalid_request_error")

    @pytest.mark.parametrize(
        "change",
        [
            {"messages": [{"role": "developer", "content": "a"}, user([PICTURE])]},
            {"messages": [user("a"), called(call()), result(), user("b")]},
            {"messages": [user("a"), called(call(), content=""), result("")]},
            {"tools": [tool(strict=True)], "tool_choice": "required", "parallel_tool_calls": False},
            {"max_completion_tokens": 5, "stop": ["a"] * 4, "model": "gpt-5"},
        ],
    )
    def test_not_refused(self, sim: Simulator, change: dict[str, Any]) -> None:
        completion(sim, {**ask(), **change})

    def test_reasoning_required(self) -> None:
        history = [user("a"), called(call()), result()]
        with Simulator(reasoning_required=True) as kimi:
            _, _, content = post(kimi, ask(*history), OPENROUTER, PATH)
            history[1]["reasoning_content"] = ""
            completion(kimi, ask(*history))
        assert b"reasoning_content is missing in assistant tool call message at index 1" in content

    @pytest.mark.parametrize("headers", [{}, KEY, OPENROUTER | {"anthropic-beta": "x"}])
    def test_credentials(self, sim: Simulator, headers: dict[str, str]) -> None:
        status, _, content = post(sim, ask(), headers, PATH)
        assert status == (400 if "anthropic-beta" in headers else 401)
        assert json.loads(content)["error"]["type"] == "invalid_request_error"
