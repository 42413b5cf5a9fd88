from __future__ import annotations

import json

import pytest

from claude_route.dialects import errors
from claude_route.dialects.chat import errors as chat_errors
from claude_route.dialects.messages import errors as messages_errors

EMPTY = [
    # MiniMax
    (500, "", "insufficient balance (1008)"),
    # DeepSeek, OpenRouter, Kimi
    (402, "", "Insufficient Balance"),
    (402, "", "This request requires more credits, or fewer max_tokens. You requested up to 8192 tokens"),
    (402, "", "No"),
    (403, "", "Your account org-x is suspended, please check your plan and billing details"),
    # Z.ai
    (400, "1113", "余额不足或无可用资源包,请充值。"),
    (400, "", "Insufficient balance or no resource package. Please recharge."),
    # Alibaba
    (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    (403, "", "Your account is in arrears"),
    (403, "", "您的账户已欠费"),
    # xAI, SiliconFlow, Together, gateways
    (403, "", "Your team has run out of credits"),
    (403, "30001", "Sorry, your account balance is insufficient"),
    (500, "", "no balance"),
    (403, "", "Key limit exceeded (monthly limit). Manage it using https://openrouter.ai/settings/keys"),
    (400, "insufficient_quota", "No"),
]  # fmt: skip

NO_LIMIT_LEFT = [
    ("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    ("1113", "Insufficient balance or no resource package. Please recharge."),
    ("exceeded_current_quota_error", "Your account is not active"),
]  # fmt: skip

TOKENS_PER_MINUTE = (
    "Request too large for model `openai/gpt-oss-120b` in organization `org_x` service tier `on_demand` on tokens "
    "per minute (TPM): Limit 8000, Requested {}, please reduce your message size and try again."
)

NOT_EMPTY = [
    (500, "", "Internal error"),
    (500, "", "cannot balance the tree"),
    (400, "", "max_tokens exceeds the limit"),
    (503, "", "no capacity"),
    (403, "", "You have no access to this model"),
]


@pytest.mark.parametrize(("status", "code", "message"), EMPTY)
def test_nothing_left(status: int, code: str, message: str) -> None:
    assert errors.translate(status, code, message) == (
        402,
        "billing_error",
        message,
        False,
        (),
        False,
    )


@pytest.mark.parametrize(("code", "message"), NO_LIMIT_LEFT)
def test_nothing_left_after_which_no_wait_helps(code: str, message: str) -> None:
    error = errors.translate(429, code, message)
    assert (error.status, error.kind, error.retry) == (429, "rate_limit_error", False)


@pytest.mark.parametrize(("status", "code", "message"), NOT_EMPTY)
def test_something_else(status: int, code: str, message: str) -> None:
    error = errors.translate(status, code, message)
    assert error.retry
    assert error.status == status


@pytest.mark.parametrize("status", [413, 429, 400])
@pytest.mark.parametrize(("requested", "retry"), [(20449, False), (7000, True), (8000, True)])
def test_tokens_per_minute(status: int, requested: int, retry: bool) -> None:
    message = TOKENS_PER_MINUTE.format(requested)
    error = errors.translate(status, "tokens rate_limit_exceeded", message)
    assert (error.status, error.kind, error.message) == (429, "rate_limit_error", message)
    assert error.retry is retry


@pytest.mark.parametrize("message", [
    "You exceeded your current quota, please check your plan and billing details. Please retry in 32s.",
    "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.",
    "Too many requests",
])  # fmt: skip
def test_a_limit_that_passes(message: str) -> None:
    """Gemini speaks of billing at each of its limits."""
    error = errors.translate(429, "RESOURCE_EXHAUSTED 429", message)
    assert (error.status, error.retry) == (429, True)


@pytest.mark.parametrize("translate", [chat_errors.translate, messages_errors.translate])
@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "error": {"type": "api_error", "message": "insufficient balance (1008)"}},
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        {"error": {"code": "1113", "message": "余额不足"}},
        {"msg": "no balance", "code": 1},
    ],
)
def test_both_dialects(translate: object, body: object) -> None:
    raw = json.dumps(body).encode()
    assert translate(500, raw)[:2] == (402, "billing_error")  # type: ignore[operator]
    assert translate(200, raw)[:2] == (402, "billing_error")  # type: ignore[operator]


def test_numbers_that_are_none() -> None:
    message = f"tokens per minute: limit: 1 requested: {'9' * 5000}"
    assert errors.translate(413, "", message).retry
