from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.chat import errors

KEY = (500, "api_error", "the provider rejects the API key in the proxy's profile")


def translated(status: int, body: Any) -> tuple[int, str, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = errors.translate(status, raw)
    assert error.refuses_key == (error[:3] == KEY)
    return error.status, error.kind, error.message


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


STATUSES = [
    (400, 400, "invalid_request_error"),
    (402, 402, "billing_error"),
    (403, 403, "permission_error"),
    (404, 400, "invalid_request_error"),
    (405, 400, "invalid_request_error"),
    (408, 408, "timeout_error"),
    (413, 413, "request_too_large"),
    (422, 400, "invalid_request_error"),
    (429, 429, "rate_limit_error"),
    (500, 500, "api_error"),
    (502, 502, "api_error"),
    (503, 503, "api_error"),
    (504, 504, "timeout_error"),
    (520, 520, "api_error"),
    (529, 529, "overloaded_error"),
]


@pytest.mark.parametrize("status, expected, kind", STATUSES)
def test_status(status: int, expected: int, kind: str) -> None:
    assert translated(status, error("Sorry")) == (expected, kind, "Sorry")


BODIES = [
    pytest.param(
        400,
        error("Unknown parameter: 'top_k'.", type="invalid_request_error", param="top_k", code="unknown_parameter"),
        (400, "invalid_request_error", "Unknown parameter: 'top_k'."),
        id="OpenAI",
    ),
    pytest.param(
        429,
        error("You exceeded your current quota.", type="insufficient_quota", param=None, code="insufficient_quota"),
        (429, "rate_limit_error", "You exceeded your current quota."),
        id="OpenAI, quota",
    ),
    pytest.param(
        429,
        error("Provider returned error", code=429, metadata={"raw": "qwen is temporarily rate-limited upstream", "provider_name": "Venice"}),
        (429, "rate_limit_error", "Provider returned error: Venice: qwen is temporarily rate-limited upstream"),
        id="OpenRouter, raw text",
    ),
    pytest.param(
        400,
        error("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"Bad tool","type":"invalid"}}', "provider_name": "Azure"}),
        (400, "invalid_request_error", "Provider returned error: Azure: Bad tool"),
        id="OpenRouter, raw JSON",
    ),
    pytest.param(
        502,
        error("Provider returned error", code=502, metadata={"raw": {"detail": "Gone"}}),
        (502, "api_error", "Provider returned error: its provider: Gone"),
        id="OpenRouter, raw object",
    ),
    pytest.param(
        502,
        error("Provider returned error", code=502, metadata={"raw": "half an emoji: \ud83e"}),
        (502, "api_error", "Provider returned error: its provider: half an emoji: \ufffd"),
        id="OpenRouter, raw text that UTF-8 doesn't have",
    ),
    pytest.param(
        402, error("Insufficient credits", code=402), (402, "billing_error", "Insufficient credits"), id="OpenRouter, credits"
    ),
    pytest.param(
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "param": None, "code": 404},
        (400, "invalid_request_error", "The model `x` does not exist."),
        id="vLLM, the older form",
    ),
    pytest.param(
        400,
        error("'max_tokens' must be at least 1", type="BadRequestError", code=400),
        (400, "invalid_request_error", "'max_tokens' must be at least 1"),
        id="vLLM",
    ),
    pytest.param(
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 1, "name"], "msg": "Extra inputs are not permitted", "input": "secret words"}]},
        (400, "invalid_request_error", "body.messages.1.name: Extra inputs are not permitted"),
        id="FastAPI",
    ),
    pytest.param(
        422,
        {"object": "error", "message": {"detail": [{"loc": ["body", "user"], "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error"},
        (400, "invalid_request_error", "body.user: Extra inputs are not permitted"),
        id="Mistral",
    ),
    pytest.param(
        400,
        [{"error": {"code": 400, "message": "Invalid JSON payload received.", "status": "INVALID_ARGUMENT"}}],
        (400, "invalid_request_error", "Invalid JSON payload received."),
        id="Gemini, in a list",
    ),
    pytest.param(
        429,
        {"error": {"code": "429", "message": "Requests have exceeded the token rate limit."}},
        (429, "rate_limit_error", "Requests have exceeded the token rate limit."),
        id="Azure",
    ),
    pytest.param(
        400,
        error("Failed to call a function.", type="invalid_request_error", code="tool_use_failed", failed_generation="<f>"),
        (500, "api_error", "Failed to call a function."),
        id="Groq: the model may write another call",
    ),
    pytest.param(
        429, {"message": "Too busy", "type": "too_many_requests_error"}, (429, "rate_limit_error", "Too busy"), id="Cerebras"
    ),
    pytest.param(
        400, {"code": "Client", "error": "Bad model"}, (400, "invalid_request_error", "Bad model"), id="xAI"
    ),
    pytest.param(500, {"error": "model not loaded"}, (500, "api_error", "model not loaded"), id="Ollama"),
    pytest.param(503, b"no healthy upstream\n", (503, "api_error", "no healthy upstream"), id="plain text"),
    pytest.param(
        502,
        b"<html>\n<head><TITLE>acme | 502:\n Bad gateway</title></head></html>",
        (502, "api_error", "acme | 502: Bad gateway"),
        id="HTML",
    ),
    pytest.param(502, b"<html></html>", (502, "api_error", "the provider answered 502: Bad Gateway"), id="HTML without a title"),
    pytest.param(503, b"", (503, "api_error", "the provider answered 503: Service Unavailable"), id="nothing"),
    pytest.param(520, b"{}", (520, "api_error", "the provider answered 520: an error"), id="empty object"),
    pytest.param(500, b"[" * 100_000, (500, "api_error", "the provider answered 500: Internal Server Error"), id="deep"),
    pytest.param(500, b'{"message":' * 800 + b"1" + b"}" * 800, (500, "api_error", "the provider answered 500: Internal Server Error"), id="deep in words"),
    pytest.param(500, b"\xff\xfe", (500, "api_error", "\ufffd\ufffd"), id="not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize("status, body, expected", BODIES)
def test_body(status: int, body: Any, expected: tuple[int, str, str]) -> None:
    assert translated(status, body) == expected


@pytest.mark.parametrize(
    "body, expected",
    [
        (error("Slow", code=429), (429, "rate_limit_error", "Slow")),
        (error("Slow", code="rate_limit_exceeded"), (429, "rate_limit_error", "Slow")),
        (error("Gone", code="server_error"), (500, "api_error", "Gone")),
        (error("Gone", code=502), (502, "api_error", "Gone")),
        (error("Busy", type="overloaded_error"), (529, "overloaded_error", "Busy")),
        (error("Bad", status="INVALID_ARGUMENT"), (400, "invalid_request_error", "Bad")),
        (error("No", code=401), KEY),
        ({"choices": [{"error": {"code": 502, "message": "Gone"}}]}, (502, "api_error", "Gone")),
        (b"nonsense", (500, "api_error", "nonsense")),
        (b"", (500, "api_error", "the provider gave no error message")),
        (
            {"choices": [{"delta": {}, "finish_reason": "error"}]},
            (500, "api_error", "the provider ended its answer with error"),
        ),
        (
            {"choices": [{"finish_reason": "content_filter", "content_filter_results": error("Blocked", code="content_filter")}]},
            (500, "api_error", "Blocked"),
        ),
    ],
)  # fmt: skip
def test_error_in_an_answer(body: Any, expected: tuple[int, str, str]) -> None:
    assert translated(200, body) == expected


@pytest.mark.parametrize(
    "status, message",
    [
        (401, "Incorrect API key provided: sk-proj-abcdefghijkl. You can find your API key at"),
        (401, "No auth credentials found"),
        (403, "Invalid API key"),
        (400, "API key not valid. Please pass a valid API key."),
        (400, "Incorrect API key provided: xa***34. You can obtain an API key from"),
    ],
)
def test_wrong_key(status: int, message: str) -> None:
    assert translated(status, error(message)) == KEY


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_too_long(status: int) -> None:
    expected = "prompt is too long: 130500 tokens > 128000 maximum"
    message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 130500 tokens."
    assert translated(status, error(message)) == (400, "invalid_request_error", expected)


def test_too_long_by_code() -> None:
    body = error("Please shorten it.", code="context_length_exceeded")
    expected = "prompt is too long: Please shorten it."
    assert translated(400, body) == (400, "invalid_request_error", expected)


def test_too_long_behind_openrouter() -> None:
    raw = json.dumps(
        error(
            "maximum context length is 1000 tokens. However, your messages resulted in 2000 tokens"
        )
    )
    body = error(
        "Provider returned error", code=400, metadata={"raw": raw, "provider_name": "Azure"}
    )
    expected = "prompt is too long: 2000 tokens > 1000 maximum"
    assert translated(400, body) == (400, "invalid_request_error", expected)


def test_too_long_for_llama() -> None:
    message = "the request exceeds the available context size, try increasing it"
    body = error(
        message, code=400, type="exceed_context_size_error", n_prompt_tokens=9000, n_ctx=8192
    )
    expected = "prompt is too long: 9000 tokens > 8192 maximum"
    assert translated(400, body) == (400, "invalid_request_error", expected)


@pytest.mark.parametrize(
    "status, message",
    [
        (429, "Rate limit reached for gpt-4: Limit 30000, Requested 45000. Please reduce the length of the messages."),
        (400, "max_tokens is too large: 128000. This model supports at most 16384 completion tokens, whereas you provided 128000."),
        (400, "Invalid 'user': string too long. Expected a string with maximum length 64, but got a string with length 90 instead."),
    ],
)  # fmt: skip
def test_not_too_long(status: int, message: str) -> None:
    assert translated(status, error(message)) == (
        status,
        translated(status, error("x"))[1],
        message,
    )


def test_no_secret_goes_on() -> None:
    message = translated(400, error("Wrong: Bearer abcdefghijklmnop, sk-ant-api03-secretsecret"))[2]
    assert message == "Wrong: Bearer [redacted], [redacted]"


def test_long_messages_are_cut() -> None:
    assert len(translated(400, error("x " * 10_000))[2]) <= 500
