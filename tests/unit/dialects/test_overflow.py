from __future__ import annotations

import time

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
    # GitHub Copilot
    (
        "prompt token count of 74490 exceeds the limit of 72000",
        "prompt is too long: 74490 tokens > 72000 maximum",
    ),
    # OpenAI, newer
    (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens. Please reduce the length of the messages.",
        "prompt is too long: 300000 tokens > 272000 maximum",
    ),
    (
        "Your input exceeds this model's context window.",
        "prompt is too long: Your input exceeds this model's context window.",
    ),
    # vLLM, newer
    (
        "This model's maximum context length is 262144 tokens. However, you requested 0 output tokens and your prompt contains at least 262145 input tokens, for a total of at least 262145 tokens. Please reduce the length of the input prompt or the number of requested output tokens.",
        "prompt is too long: 262145 tokens > 262144 maximum",
    ),
    (
        "This model's maximum context length is 40960 tokens. However, you requested 32000 output tokens and your prompt contains at least 20000 input tokens, for a total of at least 52000 tokens.",
        "input length and `max_tokens` exceed context limit: 20000 + 32000 > 40960",
    ),
    (
        "This model's maximum context length is 32768 tokens. However, your request has 40000 input tokens. Please reduce the length of the input messages.",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "The decoder prompt (length 40000) is longer than the maximum model length of 32768. Make sure that `max_model_len` is no smaller than the number of text tokens.",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    # SGLang
    (
        "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 40000 tokens: 8000 tokens from the input messages and 32000 tokens for the completion.",
        "input length and `max_tokens` exceed context limit: 8000 + 32000 > 32768",
    ),
    # llama.cpp, Ollama, LM Studio
    (
        "request (12345 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "prompt is too long: 12345 tokens > 8192 maximum",
    ),
    (
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: the request exceeds the available context size, try increasing it",
    ),
    ("the input length exceeds the context length", "prompt is too long: the input length exceeds the context length"),
    ("prompt too long; exceeded max context length by 20 tokens", "prompt is too long: prompt too long; exceeded max context length by 20 tokens"),
    ("ollama: context length exceeded for llama3", "prompt is too long: ollama: context length exceeded for llama3"),
    (
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 12000>= n_ctx: 4096). Try to load the model with a larger context length.",
        "prompt is too long: 12000 tokens > 4096 maximum",
    ),
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
        "prompt is too long: 5000 tokens > 4096 maximum",
    ),
    # Kimi, Z.ai, Volcano
    (
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)",
        "prompt is too long: 300000 tokens > 262144 maximum",
    ),
    ("Input token length too long", "prompt is too long: Input token length too long"),
    ("tokens in request more than max tokens allowed", "prompt is too long: tokens in request more than max tokens allowed"),
    ("输入内容超长", "prompt is too long: 输入内容超长"),
    ("Total tokens of image and text exceed max message tokens", "prompt is too long: Total tokens of image and text exceed max message tokens"),
    # Bedrock, Cohere, Gemini by way of Vertex AI
    ("Input is too long for requested model.", "prompt is too long: Input is too long for requested model."),
    ("Input exceeds the max input token limit", "prompt is too long: Input exceeds the max input token limit"),
    (
        "The model returned the following errors: prompt is too long: 215000 tokens > 200000 maximum",
        "prompt is too long: 215000 tokens > 200000 maximum",
    ),
    (
        "The model returned the following errors: input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ),
    (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "prompt is too long: too many tokens: total number of tokens in the prompt cannot exceed 4081",
    ),
    (
        "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576.",
        "prompt is too long: 1200000 tokens > 1048576 maximum",
    ),
    # Text Generation Inference, Together, Fireworks, Poolside
    (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 3000 `inputs` tokens and 6000 `max_new_tokens`",
        "input length and `max_tokens` exceed context limit: 3000 + 6000 > 8193",
    ),
    ("`inputs` must have less than 4096 tokens. Given: 5000", "prompt is too long: 5000 tokens > 4096 maximum"),
    (
        "The prompt is too long: 140000, model maximum context length: 131071",
        "prompt is too long: 140000 tokens > 131071 maximum",
    ),
    (
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
        "prompt is too long: 131393 tokens > 131040 maximum",
    ),
    # SiliconFlow, Cloudflare, oMLX
    (
        "length of prompt_tokens (100000) must be less than max_seq_len (98304).",
        "prompt is too long: 100000 tokens > 98304 maximum",
    ),
    (
        "The estimated number of input and maximum output tokens (440012) exceeded this model context window limit (262144)",
        "prompt is too long: 440012 tokens > 262144 maximum",
    ),
    (
        "Prompt too long: 45113 tokens exceeds max context window of 32768 tokens",
        "prompt is too long: 45113 tokens > 32768 maximum",
    ),
    (
        "The prompt (24071 tokens) is longer than the model's context window (8192 tokens)",
        "prompt is too long: The prompt (24071 tokens) is longer than the model's context window (8192 tokens)",
    ),
    ("context shift is disabled", "prompt is too long: context shift is disabled"),
    # Behind a gateway in Python
    (
        "Error code: 400 - {'error': {'message': \"This model's maximum context length is 196608 tokens. However, your messages resulted in 199906 tokens. Please reduce the length of the messages.\", 'type': 'Bad Request', 'code': 400}}",
        "prompt is too long: 199906 tokens > 196608 maximum",
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
        "`max_tokens` must be less than or equal to `32768`, the maximum value for `max_tokens` is less than the `context_window` for this model",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "Too many tokens, please wait before trying again.",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 200 instead.",
        "tools.0.function.name: string too long",
        "The context is invalid",
        'Cannot parse "and then it said that the prompt is too long, so that I had to begin a new conversation"',
    ],
)
def test_something_else(message: str) -> None:
    assert overflow.reworded("invalid_request_error", message) is None


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ("prompt is too long: 205000 tokens > 200000 maximum", 205000),
        ("prompt is too long: Prompt exceeds max length", 0),
        ("Rate limit reached", None),
        ("", None),
    ],
)
def test_size(message: str, size: int | None) -> None:
    assert overflow.size(message) == size


@pytest.mark.parametrize(
    "code",
    [
        "context_length_exceeded",
        "model_max_prompt_tokens_exceeded",
        "ContextWindowExceededError",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        " 1261 None",
        "tokens_limit_reached",
    ],
)
def test_code(code: str) -> None:
    assert overflow.reworded(code, "No") == "prompt is too long: No"


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    "message",
    [
        f"prompt is too long: {DIGITS} tokens > {DIGITS} maximum",
        f"This model's maximum context length is {DIGITS} tokens. However, your messages resulted in 5 tokens.",
        f"This model's maximum context length is 5 tokens. However, your messages resulted in {DIGITS} tokens.",
        f"input length and `max_tokens` exceed context limit: 1 + {DIGITS} > 1",
    ],
)
def test_numbers_that_are_none(message: str) -> None:
    reworded = overflow.reworded("", message)
    assert reworded and reworded.startswith("prompt is too long")
    assert overflow.size(reworded) == 0
    assert overflow.lacks_numbers(reworded)


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: " + "1" * 65_000,
        "maximum context length " + "context length is 1 tokens " * 2400,
        "maximum context length too large: " + "1" * 65_000,
        "maximum context length " + "limit of 1 tokens, " * 3400,
    ],
    ids=range(4),
)
def test_no_message_takes_long(message: str) -> None:
    began = time.process_time()
    overflow.reworded("", message)
    overflow.lacks_numbers(message)
    overflow.size(message)
    assert time.process_time() - began < 2
