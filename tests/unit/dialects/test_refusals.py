from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies

from claude_route.dialects import parameters
from claude_route.dialects import refusals

EFFORT = "reasoning_effort"

GENERAL: list[tuple[str, Any, tuple[str, ...]]] = [
    (
        "OpenAI",
        {
            "message": "Unsupported parameter: 'temperature' is not supported with this model.",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "unsupported_parameter",
        },
        ("temperature",),
    ),
    (
        "OpenAI, the other name",
        {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        },
        ("max_tokens",),
    ),
    ("OpenAI, only fields", {"param": EFFORT, "code": "unsupported_parameter"}, (EFFORT,)),
    ("OpenAI, unknown", {"message": "Unknown parameter: 'store'.", "param": "store"}, ("store",)),
    ("OpenAI, old", "Unrecognized request argument supplied: reasoning_effort", (EFFORT,)),
    ("Groq", "`reasoning_effort` is not supported with this model", (EFFORT,)),
    ("Groq, a field", "property 'store' is unsupported, did you mean 'stop'?", ("store",)),
    (
        "Groq, a cache point",
        "'messages.0' : for 'role:system' the following must be satisfied[('messages.0' : property 'cache_control' is unsupported)]",
        ("cache_control",),
    ),
    (
        "xAI",
        "Model grok-4.20-0309-reasoning does not support parameter reasoningEffort.",
        (EFFORT,),
    ),
    ("xAI, old", "Argument not supported on this model: stop", ("stop",)),
    (
        "DeepSeek",
        "deepseek-reasoner does not support the parameter `temperature`",
        ("temperature",),
    ),
    (
        "LiteLLM",
        "litellm.UnsupportedParamsError: groq does not support parameters: ['reasoning_effort'], for model=llama-3",
        (EFFORT,),
    ),
    (
        "LiteLLM, what OpenAI said",
        "litellm.BadRequestError: OpenAIException - Unsupported parameter: 'top_p' is not supported with this model.",
        ("top_p",),
    ),
    (
        "LiteLLM, what another said, as JSON",
        'litellm.BadRequestError: GroqException - {"error":{"message":"`reasoning_effort` is not supported with this model"}}',
        (EFFORT,),
    ),
    (
        "Fireworks",
        "Extra inputs are not permitted, field: 'reasoning_effort', value: 'high'",
        (EFFORT,),
    ),
    ("Bedrock", "temperature: Extra inputs are not permitted", ("temperature",)),
    (
        "Bedrock, wrapped",
        "The model returned the following errors: context_management: Extra inputs are not permitted",
        ("context_management",),
    ),
    ("Bedrock, Converse", "#: extraneous key [reasoning_effort] is not permitted", (EFFORT,)),
    (
        "Bedrock, a field",
        "This model doesn't support the toolChoice field. Remove toolChoice and try again.",
        ("tool_choice",),
    ),
    (
        "Messages, a cache point",
        "messages.0.content.1.text.cache_control: Extra inputs are not permitted",
        ("cache_control",),
    ),
    (
        "Messages, a part of one",
        "system.0.cache_control.ephemeral.ttl: Extra inputs are not permitted",
        ("cache_control.ttl",),
    ),
    ("Messages, effort", "output_config.effort: Extra inputs are not permitted", (EFFORT,)),
    ("Claude's newer models", "`temperature` is deprecated for this model.", ("temperature",)),
    ("Ollama", '"gemma3:4b" does not support thinking', ("thinking",)),
    (
        "Ollama, a library's",
        "registry.ollama.ai/library/gemma3n:e4b does not support thinking",
        ("thinking",),
    ),
    ("Gemini", "Thinking is not enabled for models/gemini-2.0-flash.", ("thinking",)),
    (
        "Vertex",
        "Unable to submit request because thinking is not supported by this model.",
        ("thinking",),
    ),
    ("a gateway", "Reasoning effort is not supported by this model", ("thinking",)),
    ("Go", 'json: unknown field "stream_options"', ("stream_options",)),
    ("serde", "unknown field `parallel_tool_calls`, expected one of", ("parallel_tool_calls",)),
    (
        "vLLM, old",
        "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 8192}]",
        ("max_completion_tokens",),
    ),
    (
        "pydantic's own words",
        "1 validation error for ChatCompletionRequest\nreasoning_effort\n  Extra inputs are not permitted [type=extra_forbidden, input_value='high', input_type=str]",
        (EFFORT,),
    ),
    (
        "llama.cpp",
        "Failed to initialize samplers: failed to parse grammar",
        ("schemas.pattern", "schemas.format"),
    ),
    (
        "llama.cpp, a template",
        "Unable to generate parser for this template. Automatic parser generation failed: JSON schema conversion failed:\nPattern must start with '^' and end with '$'",
        ("schemas.pattern", "schemas.format"),
    ),
    (
        "OpenAI, a schema",
        "Invalid schema for response_format 'output': In context=('properties', 'day'), 'pattern' is not permitted.",
        ("schemas.pattern",),
    ),
    ("Unknown prefix", "Error code: 400 - Bad request: top_k is not supported", ("top_k",)),
]
"""Who says it, `error` or its message, and the first choice for each parameter."""

PARTICULAR: list[tuple[str, Any, tuple[str, ...]]] = [
    (
        "OpenAI, gpt-5.6 with tools",
        {
            "message": "Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            "type": "invalid_request_error",
            "param": EFFORT,
            "code": None,
        },
        (EFFORT,),
    ),
    (
        "OpenAI, a value",
        {
            "message": "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            "param": "temperature",
            "code": "unsupported_value",
        },
        ("temperature",),
    ),
    (
        "OpenAI, a limit",
        {
            "message": "max_tokens is too large: 128000. This model supports at most 16384 completion tokens.",
            "param": "max_tokens",
            "code": "invalid_value",
        },
        ("max_tokens=16384",),
    ),
    (
        "Azure",
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        ("response_format",),
    ),
    ("Groq's Qwen", "`reasoning_effort` must be one of `none` or `default`", (EFFORT,)),
    (
        "Groq, a combination",
        "reasoning_effort is not supported when response_format is set",
        (EFFORT,),
    ),
    ("Moonshot", "invalid temperature: only 1 is allowed for this model", ("temperature",)),
    (
        "Ollama",
        'invalid reasoning value: \'max\' (must be "high", "medium", "low", or "none")',
        (EFFORT,),
    ),
    (
        "Claude, thinking",
        "`temperature` may only be set to 1 when thinking is enabled.",
        ("temperature",),
    ),
    (
        "Claude, sampling",
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        ("top_p",),
    ),
    (
        "DashScope",
        "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set to required or object in thinking mode",
        ("tool_choice",),
    ),
    ("DeepSeek", "deepseek-reasoner does not support this tool_choice", ("tool_choice",)),
    ("DeepSeek, a format", "This response_format type is unavailable now", ("response_format",)),
    (
        "OpenRouter",
        "No endpoints found that support the provided 'tool_choice' value. To learn more, visit the documentation.",
        ("tool_choice",),
    ),
    (
        "Z.ai",
        {"code": "1214", "message": "temperature 参数非法。请检查文档。"},
        ("temperature",),
    ),
    (
        "Z.ai, two",
        {"code": "1215", "message": "temperature与top_p不能同时设置，请检查文档。"},
        ("top_p",),
    ),
    (
        "OpenRouter, what must think",
        "Reasoning is mandatory for this endpoint and cannot be disabled.",
        ("thinking",),
    ),
    ("a range", "temperature: range: 0..1", ("temperature",)),
    ("a value", "Invalid reasoning_effort 'xhigh'", (EFFORT,)),
    ("a value, with a dot", "Invalid value for 'top_p'. Expected less", ("top_p",)),
    ("a pydantic literal", "output_config.effort: Input should be 'low' or 'high'", (EFFORT,)),
]


def wrapped(error: Any) -> bytes:
    error = {"message": error} if isinstance(error, str) else error
    return json.dumps({"error": error}).encode()


def first(found: tuple[refusals.Refusal, ...]) -> tuple[str, ...]:
    return tuple(name for refusal in found for name in refusal.choices[0])


@pytest.mark.parametrize(
    ("error", "names"), [row[1:] for row in GENERAL], ids=[r[0] for r in GENERAL]
)
def test_a_parameter_that_a_provider_does_not_have(error: Any, names: tuple[str, ...]) -> None:
    found = refusals.read(wrapped(error))
    assert first(found) == names
    assert all(refusal.is_general for refusal in found)


@pytest.mark.parametrize(
    ("error", "names"), [row[1:] for row in PARTICULAR], ids=[r[0] for r in PARTICULAR]
)
def test_a_value_or_a_combination(error: Any, names: tuple[str, ...]) -> None:
    found = refusals.read(wrapped(error))
    assert first(found) == names
    assert not any(refusal.is_general for refusal in found)


EXTRA = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted", "input": "high"}
SAYS = "`reasoning_effort` is not supported with this model"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        pytest.param(
            {"object": "error", "message": {"detail": [{**EXTRA, "loc": ["body", "user"]}]}},
            ("user",),
            id="Mistral",
        ),
        pytest.param(
            {"detail": [{**EXTRA, "loc": ["body", EFFORT]}, {**EXTRA, "loc": ["body", "top_k"]}]},
            (EFFORT, "top_k"),
            id="FastAPI, two",
        ),
        pytest.param([{"error": {"message": SAYS}}], (EFFORT,), id="Google's list"),
        pytest.param({"code": "invalid-argument", "error": SAYS}, (EFFORT,), id="xAI"),
        pytest.param({"message": SAYS}, (EFFORT,), id="no envelope"),
        pytest.param({"detail": SAYS}, (EFFORT,), id="detail"),
        pytest.param({"type": "error", "error": {"message": SAYS}}, (EFFORT,), id="Anthropic's"),
        pytest.param(
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {
                        "raw": json.dumps({"error": {"message": SAYS}}),
                        "provider_name": "Groq",
                    },
                }
            },
            (EFFORT,),
            id="OpenRouter",
        ),
    ],
)
def test_bodies(body: Any, names: tuple[str, ...]) -> None:
    assert first(refusals.read(json.dumps(body).encode())) == names


def test_a_body_that_is_text() -> None:
    assert first(refusals.read(SAYS.encode())) == (EFFORT,)


def test_google_lists_all_that_it_does_not_know() -> None:
    lines = [
        ("$schema", " at 'tools[0].function_declarations[0].parameters'"),
        (
            "exclusiveMinimum",
            " at 'tools[0].function_declarations[0].parameters.properties[1].value'",
        ),
        (
            "exclusiveMinimum",
            " at 'tools[0].function_declarations[3].parameters.properties[0].value'",
        ),
        ("stream_options", " at 'generation_config'"),
        ("cache_control", " at 'contents[0].parts[0]'"),
        ("store", ""),
    ]
    message = "\n".join(
        f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
        for name, at in lines
    )
    assert first(refusals.read(wrapped(message))) == (
        "schemas.$schema",
        "schemas.exclusiveMinimum",
        "stream_options",
        "cache_control",
        "store",
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("Your prompt 'temperature is not supported' was flagged", id="a prompt"),
        pytest.param(
            {"message": SAYS, "code": "content_policy_violation"},
            id="a prompt that is quoted whole",
        ),
        pytest.param("temperature: 20 degrees", id="a prompt about the weather"),
        pytest.param("The model `temperature` does not exist", id="a model"),
        pytest.param("Tool 'thinking' not found in request.tools", id="a tool"),
        pytest.param("Tool 'thinking' is not supported", id="a tool that is not supported"),
        pytest.param(
            "Invalid schema for function 'thinking': In context=(), 'type' is not permitted.",
            id="a tool's schema",
        ),
        pytest.param("tools.0.thinking: Extra inputs are not permitted", id="a tool's field"),
        pytest.param(
            "tools.0.custom.input_schema.properties.pattern: Extra inputs are not permitted",
            id="a property",
        ),
        pytest.param(
            "messages.1.content.0.input.cache_control: Extra inputs are not permitted",
            id="a call's input",
        ),
        pytest.param(
            "messages.3.content.0.tool_use.input.temperature: Input should be a number",
            id="a call's argument",
        ),
        pytest.param("messages.0.thinking.signature: Field required", id="a signature"),
        pytest.param("A maximum of 4 blocks with cache_control may be provided.", id="too many"),
        pytest.param("cache_control: Input should be an object", id="a wrong cache point"),
        pytest.param("tools is not supported with this model", id="what is needed"),
        pytest.param("This model does not support tools", id="tools"),
        pytest.param("model: Extra inputs are not permitted", id="the model"),
        pytest.param(
            "'max_tokens' or 'max_completion_tokens' is too large: 128000. This model's maximum context length is 32768 tokens and your request has 1200 input tokens",
            id="too long",
        ),
        pytest.param({"param": "messages", "code": "context_length_exceeded"}, id="messages"),
        pytest.param({"param": ["temperature"], "code": 7, "message": {"a": 1}}, id="odd types"),
        pytest.param({"detail": [{"loc": "temperature"}, 7, None]}, id="odd details"),
        pytest.param({"message": None, "metadata": {"raw": {"a": 1}}}, id="odd metadata"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_no_refusal_of_a_parameter(error: Any) -> None:
    assert refusals.read(wrapped(error)) == ()


@pytest.mark.parametrize(
    "message",
    [
        "The `content[].thinking` in the thinking mode must be passed back to the API.",
        "Error from provider (DeepSeek): The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 2.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ],
)
def test_reasoning_that_a_provider_wants_back(message: str) -> None:
    assert refusals.wants_thinking(
        json.dumps(wrapped(message)).encode() if False else wrapped(message)
    )


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-haiku",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
        "max_tokens is too large: 128000. This model supports at most 8192 completion tokens.",
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model",
        "The maximum tokens you requested exceeds the model limit of 8192. Try again with a lower value.",
        "Unable to submit request because it has a maxOutputTokens value of 64000 but the supported range is from 1 (inclusive) to 8193 (exclusive).",
    ],
)
def test_a_limit_of_an_answer(message: str) -> None:
    choices = (("max_tokens=8192",), ("max_tokens", "max_completion_tokens"))
    assert refusals.read(wrapped(message)) == (refusals.Refusal(choices, is_general=False),)


@pytest.mark.parametrize(
    "message",
    [
        "adaptive thinking is not supported on this model",
        "thinking.type: Input should be 'enabled' or 'disabled'",
        "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'",
    ],
)
def test_thinking_that_is_not_adaptive(message: str) -> None:
    (refusal,) = refusals.read(wrapped(message))
    assert refusal.choices[:2] == ((parameters.ADAPTIVE,), ("thinking",))


EFFORTS: list[Any] = [
    {"detail": "Invalid request: Invalid request: " + json.dumps({"detail": {"error": {"message": "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': 'No'}"}}})},
    {"object": "error", "message": "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': 'No'}", "code": 400},
    {"error": {"message": "output_config.effort \"high\" was provided, but model claude-haiku-4.5 does not support reasoning effort"}},
    {"error": {"message": "Reasoning effort 'high' is not supported by this model route. Supported values: 'medium'."}},
    {"error": {"message": "Error from provider(x,glm: 400): {\"error\":{\"message\":\"Unsupported parameter: 'reasoning_effort'\"}}"}},
    {"detail": "Error code: 400 - {'error': {'message': \"Unsupported parameter: 'reasoning_effort'\", 'code': None}}"},
]  # fmt: skip


@pytest.mark.parametrize("body", EFFORTS)
def test_an_effort_behind_gateways(body: Any) -> None:
    (refusal,) = refusals.read(json.dumps(body).encode())
    assert refusal.choices[0] == ("reasoning_effort",)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"[[]]", b"7", b"<html>", b"\xff", b"[" * 9000]
)
def test_odd_bodies(body: bytes) -> None:
    assert refusals.read(body) == ()


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: (
        strategies.lists(inner)
        | strategies.dictionaries(
            strategies.sampled_from(
                ["error", "message", "detail", "loc", "param", "code", "type", "metadata", "raw"]
            ),
            inner,
        )
    ),
)


@given(JSON)
def test_any_body_is_read(body: Any) -> None:
    refusals.read(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("The `content[].thinking` in the thinking mode must be passed back to the API.", True),
        ("The content[].thinking in the thinking mode must be passed back to the API.", True),
        ("The reasoning_content in the thinking mode must be passed back to the API.", True),
        (
            "thinking is enabled but reasoning_content is missing in assistant tool call message at "
            "index 1",
            True,
        ),
        ("reasoning_content: Extra inputs are not permitted", False),
        ("thinking is not supported with this model", False),
        ("max_tokens is missing", False),
    ],
)
def test_thinking_that_must_return(message: str, wanted: bool) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    assert refusals.wants_thinking(body) is wanted
