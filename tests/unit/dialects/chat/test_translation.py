from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit import chat_streams
from tests.unit.chat_streams import sent
from tests.unit.chat_streams import target

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}


def fields(body: dict[str, Any], **quirks: Any) -> dict[str, Any]:
    """What is sent besides model and messages."""
    found = sent(body, target(**quirks))
    return {key: value for key, value in found.items() if key not in ("model", "messages")}


def test_model() -> None:
    assert sent({}, target("vendor/some:free"))["model"] == "vendor/some:free"


@pytest.mark.parametrize(
    "system, expected",
    [
        ("Be brief", "Be brief"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\n\nb"),
        (
            [
                {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1;"},
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            ],
            "a",
        ),
        ("x-anthropic-billing-header: cc_version=2; cch=1;\n\nBe brief\n", "Be brief"),
    ],
)
def test_system(system: Any, expected: str) -> None:
    for model, role in (("some-model", "system"), ("gpt-5", "developer"), ("o3-mini", "developer")):
        messages = sent({"system": system}, target(model))["messages"]
        assert messages == [{"role": role, "content": expected}]


@pytest.mark.parametrize("system", ["", [], None, [{"type": "text", "text": ""}]])
def test_no_system(system: Any) -> None:
    assert sent({"system": system})["messages"] == []


@pytest.mark.parametrize(
    "body, expected",
    [
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": False}, {}),
        ({"max_tokens": 10}, {"max_tokens": 10}),
        ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}),
        ({"top_k": 5}, {}),
        ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"stop_sequences": []}, {}),
        ({"stop_sequences": list("abcde")}, {"stop": list("abcd")}),
        ({"metadata": {}}, {}),
        ({"tool_choice": {"type": "auto"}}, {}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": SCHEMA}}},
        ),
        ({"output_config": {"format": {"type": "json_schema"}}}, {}),
        (
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": SCHEMA}}},
        ),
    ],
)  # fmt: skip
def test_fields(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert fields(body) == expected


def test_user_is_hashed() -> None:
    body = {"metadata": {"user_id": json.dumps({"device_id": "d" * 64, "session_id": "s"})}}
    user = fields(body)["user"]
    assert len(user) == 64
    assert set(user) <= set("0123456789abcdef")
    assert fields(body)["user"] == user


@pytest.mark.parametrize(
    "model, kept",
    [
        ("gpt-5", set()),
        ("openai/o4-mini", set()),
        ("gpt-4.1", {"temperature", "top_p", "stop"}),
        ("gpt-oss-120b", {"temperature", "top_p", "stop"}),
    ],
)
def test_sampling_that_openai_reasoning_models_refuse(model: str, kept: set[str]) -> None:
    body = {"temperature": 1, "top_p": 0.9, "stop_sequences": ["a"]}
    assert fields(body, model=model).keys() == kept
    dropped = chat_streams.call(body, target(model)).dropped
    assert set(dropped) == (set() if kept else {"temperature", "top_p", "stop_sequences"})


ADAPTIVE = {"type": "adaptive", "display": "omitted"}


@pytest.mark.parametrize(
    "thinking, effort, expected",
    [
        (None, None, None),
        (None, "high", None),
        (ADAPTIVE, None, None),
        (ADAPTIVE, "low", "low"),
        (ADAPTIVE, "medium", "medium"),
        (ADAPTIVE, "xhigh", "high"),
        (ADAPTIVE, "max", "high"),
        ({"type": "enabled", "budget_tokens": 31999}, None, "high"),
        ({"type": "enabled", "budget_tokens": 10000}, None, "high"),
        ({"type": "enabled", "budget_tokens": 9999}, None, "medium"),
        ({"type": "enabled", "budget_tokens": 5000}, None, "medium"),
        ({"type": "enabled", "budget_tokens": 4999}, None, "low"),
        ({"type": "enabled", "budget_tokens": 1024}, None, "low"),
        ({"type": "enabled", "budget_tokens": 1024}, "high", "high"),
        ({"type": "disabled"}, None, None),
        ({"type": "disabled"}, "high", None),
    ],
)
def test_effort(thinking: Any, effort: str | None, expected: str | None) -> None:
    body = {"thinking": thinking, "output_config": {"effort": effort}}
    assert fields(body).get("reasoning_effort") == expected
    lost = {"thinking", "output_config.effort"} & set(chat_streams.call(body).dropped)
    off = thinking is None or thinking["type"] == "disabled"
    assert bool(lost) == (expected is None and (not off or effort is not None))


@pytest.mark.parametrize(
    "model, least", [("gpt-5", "minimal"), ("gpt-5-mini-2025-08-07", "minimal"), ("gpt-5.1", "none"),
                     ("gpt-5-codex", None), ("o3", None), ("gpt-4o", None), ("glm-5", None)]
)  # fmt: skip
def test_effort_when_thinking_is_off(model: str, least: str | None) -> None:
    body = {"thinking": {"type": "disabled"}}
    assert fields(body, model=model).get("reasoning_effort") == least


OFF = {"type": "disabled"}
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
ANY = {"type": "any"}
BASH = {"type": "tool", "name": "Bash"}
ADAPTIVE = {"type": "adaptive"}
TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
CALLED = {"type": "function", "function": {"name": "Bash"}}


@pytest.mark.parametrize(
    "host, model, body, expected",
    [
        # Each has a switch of its own.
        ("api.deepseek.com", "deepseek-v4-pro", {"thinking": OFF}, {"thinking": OFF}),
        ("api.moonshot.cn", "kimi-k2.6", {"thinking": OFF}, {"thinking": OFF}),
        ("api.moonshot.cn", "kimi-k3", {"thinking": OFF}, {}),
        ("api.z.ai", "glm-5", {"thinking": OFF}, {"thinking": OFF}),
        ("api.z.ai", "glm-5.3", {"thinking": OFF}, {}),
        ("dashscope.aliyuncs.com", "qwen3.7-max", {"thinking": OFF}, {"enable_thinking": False}),
        ("openrouter.ai", "qwen/qwen3.6", {"thinking": OFF}, {"reasoning": {"enabled": False}}),
        ("openrouter.ai", "google/gemini-3-pro", {"thinking": OFF}, {}),
        ("127.0.0.1", "Qwen/Qwen3-32B", {"thinking": OFF}, TEMPLATE),
        ("127.0.0.1", "llama3", {"thinking": OFF}, {}),
        ("api.acme.example", "qwen3", {"thinking": OFF}, {}),
        ("127.0.0.1", "qwen3", {"thinking": ADAPTIVE}, {}),
        # No effort goes with thinking that is off.
        ("api.deepseek.com", "deepseek-v4-pro",
         {"thinking": OFF, "output_config": {"effort": "max"}}, {"thinking": OFF}),
        ("api.deepseek.com", "deepseek-v4-pro",
         {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        # A tool that must be called.
        ("api.deepseek.com", "deepseek-v4-pro",
         {"thinking": ADAPTIVE, "output_config": {"effort": "high"}, "tool_choice": ANY},
         {"tool_choice": "required", "thinking": OFF}),
        ("api.deepseek.com", "deepseek-v4-pro", {"tool_choice": BASH},
         {"tool_choice": CALLED, "thinking": OFF}),
        ("dashscope.aliyuncs.com", "qwen3.7-max", {"tool_choice": BASH},
         {"tool_choice": CALLED, "enable_thinking": False}),
        ("api.moonshot.ai", "kimi-k3", {"thinking": ADAPTIVE, "tool_choice": ANY}, {}),
        ("api.moonshot.ai", "kimi-k2.6", {"tool_choice": {"type": "none"}},
         {"tool_choice": "none"}),
        ("api.acme.example", "m", {"thinking": ADAPTIVE, "tool_choice": ANY},
         {"tool_choice": "required"}),
    ],
)  # fmt: skip
def test_whether_it_thinks(
    host: str, model: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    sent = chat_streams.sent({"tools": TOOLS, **body}, chat_streams.target(model, host=host))
    ours = {"model", "messages", "tools"}
    assert {key: value for key, value in sent.items() if key not in ours} == expected


def test_a_choice_that_cannot_be_forced_is_reported() -> None:
    to = chat_streams.target("kimi-k3", host="api.moonshot.ai")
    assert chat_streams.call({"tools": TOOLS, "tool_choice": ANY}, to).dropped == ("tool_choice",)


@pytest.mark.parametrize(
    "host, content",
    [
        ("api.deepseek.com", ""),
        ("api.moonshot.ai", ""),
        ("api.acme.example", None),
        ("openrouter.ai", None),
    ],
)
def test_reasoning_that_must_return(host: str, content: str | None) -> None:
    block = {"type": "tool_use", "id": "a", "name": "Bash", "input": {}}
    messages = [{"role": "assistant", "content": [block]}, {"role": "assistant", "content": "x"}]
    target = chat_streams.target("deepseek-v4-pro", host=host)
    message = chat_streams.sent({"messages": messages}, target)["messages"][0]
    assert message.get("reasoning_content") == content


def test_effort_is_refused_by_old_models() -> None:
    body = {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}
    assert fields(body, model="gpt-4.1") == {}
    assert "thinking" in chat_streams.call(body, target("gpt-4.1")).dropped


@pytest.mark.parametrize(
    "asked, model, set, expected",
    [
        (128000, "glm-5", {}, {"max_tokens": 128000}),
        (128000, "glm-5", {"max_tokens": 32000}, {"max_tokens": 32000}),
        (100, "glm-5", {"max_tokens": 32000}, {"max_tokens": 100}),
        (None, "glm-5", {"max_tokens": 32000}, {"max_tokens": 32000}),
        (128000, "gpt-5", {}, {"max_completion_tokens": 128000}),
        (128000, "gpt-5", {"max_tokens": 32000}, {"max_completion_tokens": 32000}),
        (128000, "mine", {"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
    ],
)
def test_limit(asked: int | None, model: str, set: Any, expected: dict[str, int]) -> None:
    assert fields({"max_tokens": asked}, model=model, set=set) == expected


def test_drop_and_set() -> None:
    body = {"temperature": 1, "metadata": {"user_id": "u"}, "max_tokens": 9}
    found = fields(
        body, drop=("temperature", "user", "absent"), set={"provider": {"sort": "price"}}
    )
    assert found == {"max_tokens": 9, "provider": {"sort": "price"}}
    assert fields(body, drop=("temperature",), set={"temperature": 0})["temperature"] == 0
    assert "max_tokens" not in fields(body, drop=("max_tokens",))
    assert fields(body, drop=("max_tokens",), set={"max_tokens": 5})["max_tokens"] == 5
    assert chat_streams.call(body, target(drop=("user",))).dropped == ("user",)


def test_what_mistrals_own_server_refuses() -> None:
    """ "Extra inputs are not permitted"."""
    body = {"stream": True, "metadata": {"user_id": "u"}, "thinking": {"type": "adaptive"}}
    body["output_config"] = {"effort": "medium"}
    there: dict[str, Any] = {"model": "devstral-latest", "host": "api.mistral.ai"}
    assert fields(body, **there) == {"stream": True}
    dropped = chat_streams.call(body, target(**there)).dropped
    assert dropped == ("thinking", "stream_options", "user")
    set_by_profile = fields(body, **there, set={"user": "u", "reasoning_effort": "high"})
    assert set_by_profile == {"stream": True, "user": "u", "reasoning_effort": "high"}


def test_dropped() -> None:
    names = ["cache_control", "container", "context_management", "diagnostics", "mcp_servers"]
    names += ["service_tier", "thread", "top_k", "what_comes_next"]
    body = {"stop_sequences": list("abcde"), "thinking": {"type": "disabled", "display": "omitted"}}
    call = chat_streams.call({name: {} for name in names} | body)
    assert call.dropped == ("stop_sequences[4:]", "thinking.display", *names)
    assert not json.loads(call.body).keys() & set(names)


def test_dropped_of_a_format() -> None:
    body = {"output_config": {"format": {"type": "json_schema"}}}
    assert chat_streams.call(body).dropped == ("output_config.format",)


def test_dropped_of_system_and_messages() -> None:
    system: list[dict[str, Any]] = [{"type": "text", "text": "x-anthropic-billing-header: a"}]
    system += [{"type": "text", "text": "a", "cache_control": {}}]
    messages = [{"role": "system", "content": [], "output_config": {"effort": "low"}}]
    dropped = chat_streams.call({"system": system, "messages": messages}).dropped
    expected = {"system[].x-anthropic-billing-header", "system[].cache_control"}
    assert set(dropped) == expected | {"messages[].output_config"}


def test_half_an_emoji() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"a\\ud83e"}]}'
    assert json.loads(chat_streams.call(body).body)["messages"][0]["content"] == "a\ufffd"


@pytest.mark.parametrize(
    "body, match",
    [
        ({"max_tokens": "9"}, "^max_tokens: expected an integer"),
        ({"stop_sequences": "a"}, "^stop_sequences: expected an array"),
        ({"system": 3}, "^system: expected a string or an array"),
        ({"tools": [{}]}, r"^tools\[0\]\.name: expected a value"),
        ({"tool_choice": {"type": "all"}}, "^tool_choice.type: expected one of auto, any, tool, none"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "^thinking.budget_tokens: expected"),
        ({"messages": [{"role": "tool"}]}, r"^messages\[0\]\.role: expected user, assistant or system"),
    ],
)  # fmt: skip
def test_refused(body: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        sent(body)


TOOL = {"name": "Bash", "input_schema": {"type": "object"}}


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "disabled"}, None])
@pytest.mark.parametrize(
    ("model", "tools", "effort"),
    [
        ("gpt-5.6-terra", [TOOL], "none"),
        ("gpt-5.4", [TOOL], "none"),
        ("gpt-5.1", [TOOL], "high"),
        ("gpt-5.6-terra", [], "high"),
        ("qwen3", [TOOL], "high"),
    ],
)
def test_tools_with_an_effort(
    model: str, tools: list[Any], effort: str, thinking: dict[str, Any] | None
) -> None:
    """OpenAI: "Function tools with reasoning_effort are not supported for gpt-5.6-terra"."""
    body = {"tools": tools, "thinking": thinking, "output_config": {"effort": "high"}}
    chat = chat_streams.sent(body, target(model))
    if effort == "none" or thinking == {"type": "adaptive"}:
        assert chat["reasoning_effort"] == effort
    else:
        assert chat.get("reasoning_effort") in (None, "none")


POINT = {"type": "ephemeral"}
USE = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}


def cached(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": POINT}]


@pytest.mark.parametrize(
    ("host", "model", "system", "result", "question"),
    [
        ("openrouter.ai", "anthropic/claude-5", cached("S"), cached("R"), cached("Q")),
        ("gateway.example", "anthropic/claude-5", cached("S"), "R", cached("Q")),
        ("openrouter.ai", "openai/gpt-4o", "S", "R", "Q"),
        ("gateway.example", "qwen/qwen3", "S", "R", "Q"),
    ],
)
def test_cache_points(host: str, model: str, system: Any, result: Any, question: Any) -> None:
    scoped = {**POINT, "scope": "global"}
    answered = {"type": "tool_result", "tool_use_id": "t1", "content": "R", "cache_control": scoped}
    body = {
        "system": [{"type": "text", "text": "S", "cache_control": scoped}],
        "messages": [
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [answered, *cached("Q")]},
        ],
    }
    to = chat_streams.target(model, host=host)
    messages = chat_streams.sent(body, to)["messages"]
    assert [messages[place]["content"] for place in (0, 2, 3)] == [system, result, question]
    dropped = chat_streams.call(body, to).dropped
    assert ("system[].cache_control" in dropped) is (system == "S")
    assert ("messages[].content[].cache_control" in dropped) is (result == "R")


def test_keywords_that_gemini_refuses() -> None:
    properties = {
        "s": {"type": "integer", "exclusiveMinimum": 0},
        "env": {"type": "object", "propertyNames": {"type": "string"}},
        "mode": {"type": "string", "enum": ["a", ""]},
        "kind": {"const": "x"},
    }
    tool = {"name": "Wait", "input_schema": {"type": "object", "properties": properties}}
    body = {"tools": [tool]}
    sent = chat_streams.sent(body, target("gemini-3-pro"))["tools"][0]["function"]["parameters"]
    assert sent["properties"] == {
        "s": {"type": "integer", "minimum": 0},
        "env": {"type": "object"},
        "mode": {"type": "string", "enum": ["a"]},
        "kind": {"type": "string", "enum": ["x"]},
    }
    other = chat_streams.sent(body, target("qwen3"))["tools"][0]["function"]["parameters"]
    assert other["properties"] == properties


def test_a_cache_point_of_the_whole_request() -> None:
    body = {"cache_control": {"type": "ephemeral", "scope": "global"}}
    to = chat_streams.target("anthropic/claude-5", host="openrouter.ai")
    assert chat_streams.sent(body, to)["cache_control"] == POINT
    other = chat_streams.call(body, target("qwen3"))
    assert other.dropped == ("cache_control",)
