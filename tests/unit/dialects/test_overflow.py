from __future__ import annotations

import pytest

from claude_route.dialects import overflow

TOO_LONG = [
    (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130500 tokens. Please reduce the length of the messages.",
        "prompt is too long: 130500 tokens > 128000 maximum",
    ),
    (
        "This model's maximum context length is 32768 tokens. However, you requested 160000 tokens (32000 in the messages, 128000 in the completion). Please reduce the length of the messages or completion.",
        "prompt is too long: 160000 tokens > 32768 maximum",
    ),
    (
        "This model's maximum context length is 131072 tokens. However, you requested 148000 tokens (20000 in the messages, 128000 in the completion). Please reduce the length of the messages or completion.",
        "input length and `max_tokens` exceed context limit: 20000 + 128000 > 131072",
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 128000. This model's maximum context length is 32768 tokens and your request has 1200 input tokens (128000 > 32768 - 1200).",
        "input length and `max_tokens` exceed context limit: 1200 + 128000 > 32768",
    ),
    (
        "You passed 32900 input tokens and requested 128 output tokens. However, the model's context length is only 32768 tokens, resulting in a maximum input length of 32640 tokens.",
        "prompt is too long: 33028 tokens > 32768 maximum",
    ),
    (
        "This endpoint's maximum context length is 131,072 tokens. However, you requested about 190,000 tokens (150,000 of text input, 8,000 of tool input, 32,000 in the output).",
        "prompt is too long: 190000 tokens > 131072 maximum",
    ),
    (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "prompt is too long: 1200000 tokens > 1048576 maximum",
    ),
    (
        "The input token count exceeds the maximum number of tokens allowed (1048576).",
        "prompt is too long: The input token count exceeds the maximum number of tokens allowed (1048576).",
    ),
    (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "prompt is too long: 537812 tokens > 131072 maximum",
    ),
    (
        "Please reduce the length of the messages or completion. Current length is 10000 while limit is 8192",
        "prompt is too long: 10000 tokens > 8192 maximum",
    ),
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "Invalid request: Your request exceeded model token limit: 131072",
        "prompt is too long: Invalid request: Your request exceeded model token limit: 131072",
    ),
    (
        "Range of input length should be [1, 129024]",
        "prompt is too long: Range of input length should be [1, 129024]",
    ),
    ("Prompt exceeds max length", "prompt is too long: Prompt exceeds max length"),
    ("context window exceeds limit (2013)", "prompt is too long: context window exceeds limit (2013)"),
    (
        "The number of tokens to keep from the initial prompt is greater than the context length.",
        "prompt is too long: The number of tokens to keep from the initial prompt is greater than the context length.",
    ),
    (
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "prompt is too long: Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    (
        "prompt is too long: 205000 tokens > 200000 maximum",
        "prompt is too long: 205000 tokens > 200000 maximum",
    ),
]  # fmt: skip


@pytest.mark.parametrize("message, expected", TOO_LONG)
def test_too_long(message: str, expected: str) -> None:
    """The messages at which Claude Code compacts the conversation, or requests fewer tokens."""
    assert overflow.reworded("", message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 128000. This model supports at most 16384 completion tokens, whereas you provided 128000.",
        "Invalid 'user': string too long. Expected a string with maximum length 64, but got a string with length 90 instead.",
        "Rate limit reached",
    ],
)
def test_something_else(message: str) -> None:
    assert overflow.reworded("invalid_request_error", message) is None


def test_code() -> None:
    assert overflow.reworded("context_length_exceeded", "No") == "prompt is too long: No"
