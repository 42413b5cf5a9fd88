"""What the simulator refuses, as Anthropic and as another provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from simulator import Answer
from simulator import Recorded
from simulator import RedactedThinking
from simulator import Simulator
from simulator import Text
from simulator import Thinking
from simulator import foreign
from simulator import provider
from simulator import script
from simulator import signatures
from tests.wire.simulator_client import BASH
from tests.wire.simulator_client import BETAS
from tests.wire.simulator_client import CLEAR
from tests.wire.simulator_client import KEY
from tests.wire.simulator_client import OLD
from tests.wire.simulator_client import POINT
from tests.wire.simulator_client import RESULT
from tests.wire.simulator_client import USE
from tests.wire.simulator_client import ZAI
from tests.wire.simulator_client import ask
from tests.wire.simulator_client import message
from tests.wire.simulator_client import post
from tests.wire.simulator_client import turns


@pytest.fixture
def glm() -> Iterator[Simulator]:
    with Simulator(role="provider", reasoning_required=True) as running:
        yield running


THREADS = {"anthropic-beta": BETAS["anthropic-beta"] + ",message-threads-2026-08-12"}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
SEARCHED = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"thread": {"type": "create"}}, "thread: Extra inputs are not permitted"),
    ({"speed": "fast", "model": OLD}, "speed: fast mode is not supported for claude-haiku-4-5"),
    ({"speed": "fast", "model": "claude-opus-4-7"}, "speed: fast mode is not supported for"),
    (
        {"model": "claude-sonnet-5-5", "thinking": {"type": "disabled"}},
        '"thinking.type.disabled" is not supported for this model. Use "between_tools".',
    ),
    (
        {"model": "claude-fable-5-2", "thinking": {"type": "disabled"}},
        '"thinking.type.disabled" is not supported for this model.',
    ),
    (
        {"thinking": {"type": "between_tools"}},
        "thinking: Input tag 'between_tools' does not match any of the expected tags",
    ),
    ({"speed": "fast", "model": "claude-opus-4-8"}, "speed: Extra inputs are not permitted"),
    (
        {"model": "claude-sonnet-5-5", "tools": [BASH], "tool_choice": {"type": "any"}},
        'tool_choice: type "tool" and "any" are not supported for this model.',
    ),
    ({"reasoning": {}}, "reasoning: Extra inputs are not permitted"),
    ({"resumption": {"type": "create"}}, "resumption: Extra inputs are not permitted"),
    ({"safeguards": []}, "safeguards: Extra inputs are not permitted"),
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
    (
        {"messages": turns("hi", [USE], [{**RESULT, "tool_use_id": "a:b"}])},
        "messages.2.content.0.tool_result.tool_use_id: String should match pattern",
    ),
    (
        {"messages": turns("hi", [{**USE, "index": 0}], [RESULT])},
        "messages.1.content.0.tool_use.index: Extra inputs are not permitted",
    ),
    (
        {"messages": turns("hi", [{**USE, "name": "a.b"}], [RESULT])},
        "messages.1.content.0.tool_use.name: String should match pattern",
    ),
    (
        {"messages": turns("hi", [USE], [{**RESULT, "content": [{"type": "text", "text": ""}]}])},
        "messages: text content blocks must be non-empty",
    ),
    ({"messages": turns(" ")}, "messages: text content blocks must contain non-whitespace text"),
    (
        {"messages": turns("hi", [{"type": "server_tool_use", "id": "call_1"}], "go on")},
        "messages.1.content.0.server_tool_use.id: String should match pattern"
        " '^srvtoolu_[a-zA-Z0-9_]+$'",
    ),
    (
        {"messages": turns("hi", [{**SEARCHED, "tool_use_id": "srvtoolu_2"}], "go on")},
        "messages.1.content.0: unexpected `tool_use_id` found in `web_search_tool_result` blocks",
    ),
    (
        {
            "messages": turns(
                "hi", [SEARCH, {**SEARCHED, "content": [{"type": "web_search_result"}]}], "go on"
            )
        },
        "messages.1.content.1.web_search_tool_result.content.web_search_result"
        ".encrypted_content: Field required",
    ),
    ({"messages": turns("hi", [RESULT], "x")}, "messages.1: `tool_result` blocks can only be in"),
    (
        {"messages": turns("hi", [{**POINT, "citations": [{"type": "url_citation"}]}], "go on")},
        "messages.1.content.0.text.citations: Input tag 'url_citation' does not match",
    ),
    (
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        "effort 'max' is not supported when thinking is disabled",
    ),
    (
        {
            "model": OLD,
            "max_tokens": 3000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "tools": [BASH],
            "tool_choice": {"type": "any"},
        },
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    ({"messages": "hi"}, "messages: Input should be a valid list"),
    ({"messages": [3]}, "messages.0: Input should be a valid dictionary"),
    ({"messages": turns([{"text": "x"}])}, "messages.0.content.0.type: Field required"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": turns(None)}, "messages.0.content: Input should be a valid string or list"),
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
            {"messages": turns("hi"), "thread": {"type": "create"}},
            {"diagnostics": {"previous_message_id": None}},
            {"speed": "fast"},
            {"speed": "standard", "model": OLD},
            {"temperature": 1, "top_k": 3},
            {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
            {"model": "claude-opus-5", "thinking": {"type": "disabled"}},
            {"messages": turns("hi", [SEARCH, SEARCHED], "go on")},
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
            {"tools": [BASH], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}},
        ],
    )
    def test_not_refused(self, sim: Simulator, change: dict[str, Any]) -> None:
        message(sim, ask(**change), KEY | THREADS)

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

    @pytest.mark.parametrize("field", ["temperature", "top_k", "top_p"])
    def test_the_newest_version_has_no_sampling(self, sim: Simulator, field: str) -> None:
        newest = KEY | {"anthropic-version": "2026-10-21"}
        status, _, content = post(sim, ask() | {field: 1}, newest)
        assert status == 400
        assert json.loads(content)["error"]["message"] == f"{field}: Extra inputs are not permitted"
        message(sim, ask(), newest)

    def test_the_newest_version_has_no_citations_of_users(self, sim: Simulator) -> None:
        cited = {"type": "text", "text": "x", "citations": [{"type": "char_location"}]}
        newest = KEY | {"anthropic-version": "2026-10-21"}
        _, _, content = post(sim, ask(messages=turns([cited])), newest)
        problem = "messages.0.content.0.text.citations: Extra inputs are not permitted"
        assert json.loads(content)["error"]["message"] == problem
        message(sim, ask(messages=turns([cited])))

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
        """Its answer when its own answer is returned as `content`."""
        body = {**self.THINKING, "messages": turns("hello", content, more)}
        post(sim, body)
        return sim.requests[-1].refused

    def test_own_blocks_are_accepted(self, sim: Simulator) -> None:
        content = message(sim, self.THINKING)["content"]
        assert self.reply(sim, content) is None

    @pytest.mark.parametrize(
        ("model", "change", "is_refused"),
        [
            ("claude-fable-5-2", {}, False),
            ("claude-fable-5-2", {"system": "another"}, True),
            ("claude-fable-5-2", {"tools": [BASH]}, True),
            ("claude-fable-5-2", {"tools": [{**BASH, "defer_loading": True}]}, False),
            ("claude-fable-5-2", {"messages": turns("changed")}, True),
            ("claude-fable-5-2", {"messages": turns([POINT | {"text": "hello"}])}, False),
            ("claude-mythos-5-2", {"system": "another"}, True),
            ("claude-opus-5-5", {"system": "another"}, False),
        ],
    )
    def test_thinking_is_bound_to_what_came_before(
        self, sim: Simulator, model: str, change: dict[str, Any], is_refused: bool
    ) -> None:
        first = {**self.THINKING, "model": model}
        content = message(sim, first)["content"]
        prompt = change.get("messages", first["messages"])
        messages = [*prompt, *turns("", content, "go on")[1:]]
        post(sim, first | change | {"messages": messages})
        refused = sim.requests[-1].refused or ""
        assert ("is bound to a different conversation" in refused) is is_refused

    def test_thinking_that_a_model_can_not_read_is_no_error(self, sim: Simulator) -> None:
        content = message(sim, self.THINKING | {"model": "claude-fable-5-2"})["content"]
        fields = {"system": "another", "messages": turns("hello", content, "go on")}
        post(sim, self.THINKING | fields)
        assert sim.requests[-1].refused is None

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

    def test_each_knows_only_its_own_signatures(self, sim: Simulator) -> None:
        thinking = json.loads(post(sim, ask(model="m"), ZAI, "/provider/zai/v1/messages")[2])
        again = ask(model="m", messages=turns("hi", thinking["content"][:1], "more"))
        assert post(sim, again, ZAI, "/provider/zai/v1/messages")[0] == 200
        assert post(sim, again, ZAI, "/provider/kimi/v1/messages")[0] == 400

    @pytest.mark.parametrize(
        ("signature", "accepted"), [("", True), ("sig-1", True), ("a" * 88, False)]
    )
    def test_signatures_that_a_script_made_up(
        self, sim: Simulator, signature: str, accepted: bool
    ) -> None:
        block = {"type": "thinking", "thinking": "x", "signature": signature}
        body = ask(model="m", messages=turns("hi", [block], "more"))
        assert (post(sim, body, ZAI, "/provider/v1/messages")[0] == 200) == accepted

    def test_lone_surrogates_pass(self, sim: Simulator) -> None:
        body = json.dumps(ask("a\ud83e", model="m")).encode()
        status, _, content = post(sim, body, ZAI, "/provider/v1/messages")
        assert (status, b"You said: a?" in content) == (200, True)
        assert post(sim, json.dumps(ask("\ud83e")).encode())[0] == 400

    def test_by_path(self, sim: Simulator) -> None:
        status, _, content = post(
            sim, ask(model="glm-5"), ZAI, path="/provider/api/anthropic/v1/messages"
        )
        assert status == 200
        assert json.loads(content)["content"][0]["signature"].startswith("glm-sig-")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            *(({name: {}}, f"unexpected field: {name}") for name in foreign.FIELDS),
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
            (
                {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
                "cannot be disabled when reasoning_effort is set",
            ),
            (
                {"tools": [BASH], "tool_choice": {"type": "any"}},
                "does not support this tool_choice",
            ),
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


ODDITIES: list[Any] = [None, True, 3, "x", [], [3], {}, {"a": 1}, [[]], [{}]]
RICH = {
    "model": "claude-opus-5-5",
    "max_tokens": 2000,
    "stream": True,
    "system": [POINT],
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": CLEAR,
    "thread": {"type": "create"},
    "tools": [BASH, {"type": "web_search", "name": "w"}],
    "tool_choice": {"type": "auto"},
    "messages": [
        *turns([POINT, {"type": "image", "source": {"type": "base64", "data": "AA"}}]),
        *turns("", [USE], [{**RESULT, "content": [{"type": "text", "text": "x"}]}])[1:],
        {"role": "system", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": "x"},
        *turns("go on"),
    ],
}
RICH_CHAT = {
    "model": "o3",
    "max_completion_tokens": 5,
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop": ["x"],
    "temperature": 1,
    "user": "x",
    "reasoning_effort": "high",
    "tools": [{"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "Bash"}},
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "x"}]},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:a;base64,A"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "Bash", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ],
}


def oddly(value: Any) -> Iterator[Any]:
    """The same JSON, each of its values in turn missing or replaced by something odd."""
    yield from ODDITIES
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: odd} for odd in oddly(inner))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from ([*value[:n], odd, *value[n + 1 :]] for odd in oddly(inner))


class TestOddBodies:
    """Whatever the JSON, there is an answer or a refusal, never a broken connection."""

    @pytest.mark.parametrize(
        ("path", "body", "headers"),
        [
            ("/v1/messages", RICH, KEY | THREADS),
            ("/v1/messages/count_tokens", RICH, KEY | THREADS),
            ("/provider/v1/messages", RICH, ZAI),
            ("/v1/chat/completions", RICH_CHAT, ZAI),
        ],
    )
    @pytest.mark.parametrize("strict", [True, False])
    def test_is_answered(
        self, path: str, body: dict[str, Any], headers: dict[str, str], strict: bool
    ) -> None:
        one = provider.Provider(
            role="anthropic",
            strict=strict,
            needs_key=True,
            reasoning_required=True,
            signer=signatures.Signer(b""),
        )
        for odd in oddly(body):
            content = json.dumps(odd).encode()
            recorded = Recorded("POST", path, list(headers.items()), content, 1, "1.1", 0.0)
            plan = one.plan(recorded, script.Script())
            assert plan.status in (200, 400, 404), odd

    @pytest.mark.parametrize(
        ("path", "body", "headers"),
        [("/v1/messages", RICH, KEY | THREADS), ("/v1/chat/completions", RICH_CHAT, ZAI)],
    )
    def test_the_rich_ones_are_fine(
        self, sim: Simulator, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        assert post(sim, body, headers, path)[0] == 200
