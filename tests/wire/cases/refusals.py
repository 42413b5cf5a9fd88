"""Refusals, in the words that Claude Code acts on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.wire import cases
from tests.wire.cases import answers

IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}}  # fmt: skip

TPM = (
    "Request too large for model `openai/gpt-oss-120b` in organization `org_x` service tier `on_demand` on tokens per "
    "minute (TPM): Limit 8000, Requested 20449, please reduce your message size and try again."
)


def refused(status: int, message: str, **more: Any) -> cases.Answer:
    body = {"error": {"message": message, **more}}
    return cases.Answer(json.dumps(body).encode(), status=status)


def read(block: dict[str, Any]) -> dict[str, Any]:
    """A request of a session in which a file was read."""
    result = {"type": "tool_result", "tool_use_id": "call_0", "content": [block]}
    return cases.asked(messages=[*answers.USED[:2], {"role": "user", "content": [result]}])


def says(*words: str, status: int = 400, retry: str | None = None) -> Callable[[Any], None]:
    """The client gets an error with these words, and the log has a line with the last of them."""

    def check(result: cases.Result) -> None:
        assert result.status == status
        for word in words:
            assert word in result.error["message"]
        assert result.headers.get("x-should-retry") == retry
        lines = [line for line in result.log.splitlines() if words[-1] in line]
        assert len(lines) == 1, result.log

    return check


def without(n: int, **expected: Any) -> Callable[[cases.Result], None]:
    """The provider answers the n-th request, and its fields are as expected."""

    def check(result: cases.Result) -> None:
        answers.check_hello(result)
        sent = result.sent[n].body
        assert {name: sent.get(name) for name in expected} == expected

    return check


THINKING = {
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "max_tokens": 32000,
}
CHAT_HELLO = cases.stream(
    answers.chunk(content="Hello"), answers.chunk("stop"), "[DONE]", names=False
)

CASES = (
    cases.Case(
        "image-refused-messages",
        "https://github.com/deepseek-ai/DeepSeek-V3/issues/1026",
        read(IMAGE),
        {"other": [refused(400, "messages[2].content: unknown variant `image`, expected one of `text`, `tool_use`")]},
        says("capability_rejected: image_block (", "unknown variant `image`"),
    ),
    cases.Case(
        "image-refused-chat",
        "https://github.com/Alishahryar1/free-claude-code/issues/359",
        read(IMAGE),
        {"other": [refused(404, "No endpoints found that support image input", code=404)]},
        says("capability_rejected: image_block (", "No endpoints found"),
        providers=cases.CHAT,
    ),
    cases.Case(
        "document-refused-messages",
        "https://github.com/Alishahryar1/free-claude-code/issues/357",
        read(PDF),
        {"other": [refused(400, "messages[2].content: unknown variant `document`, expected `text`")]},
        says("capability_rejected: document_block (", "unknown variant `document`"),
    ),
    cases.Case(
        "document-refused-chat",
        "https://github.com/Alishahryar1/free-claude-code/issues/357",
        read(PDF),
        {"other": [refused(400, "messages[3]: unknown variant `file`, expected `text`")]},
        says("capability_rejected: document_block (", "unknown variant `file`"),
        providers=cases.CHAT,
    ),
    cases.Case(
        "overflow-copilot",
        "https://github.com/ericc-ch/copilot-api/issues/210",
        cases.asked(),
        {"other": [refused(400, "prompt token count of 74490 exceeds the limit of 72000", code="model_max_prompt_tokens_exceeded")]},
        says("prompt is too long: 74490 tokens > 72000 maximum"),
        providers=cases.CHAT,
    ),
    cases.Case(
        "tokens-per-minute-413",
        "https://github.com/autohandai/code-cli/issues/377",
        cases.asked(),
        {"other": [refused(413, TPM, type="tokens", code="rate_limit_exceeded")], "spare": [answers.GOOD]},
        answers.check_fallback,
        **answers.BACK_FROM_CHAT,
    ),
    cases.Case(
        "tokens-per-minute-413-alone",
        "https://github.com/HunorLaczko/ha-groq-cloud-api/issues/27",
        cases.asked(),
        {"other": [refused(413, TPM, type="tokens", code="rate_limit_exceeded")]},
        says("Limit 8000, Requested 20449", status=429, retry="false"),
        providers=cases.CHAT,
    ),
    cases.Case(
        "no-balance-500",
        "https://github.com/MiniMax-AI/MiniMax-M2/issues/62",
        cases.asked(),
        {"other": [refused(500, "insufficient balance (1008)", type="api_error")]},
        says("insufficient balance (1008)", status=424, retry="false"),
    ),
    cases.Case(
        "known-to-have-no-images",
        "https://github.com/ollama/ollama/issues/17301",
        read(IMAGE),
        {"other": [], "spare": [answers.GOOD]},
        answers.check_hello,
        providers={"other": {"supports": {"images": False}}, "spare": {}},
        models={"glm": "other/glm-5", "back": "spare/glm-5"},
        fallbacks={"glm": ["back"]},
    ),
    cases.Case(
        "overflow-with-a-larger-fallback",
        "https://github.com/openclaw/openclaw/issues/9986",
        cases.asked(),
        {"other": [refused(400, "maximum context length is 8192 tokens, your messages resulted in 9906 tokens")], "spare": [answers.GOOD]},
        answers.check_fallback,
        providers={"other": {"api": "openai"}, "spare": {"context": 1_000_000}},
        models={"glm": "other/glm-5", "back": "spare/glm-5"},
        fallbacks={"glm": ["back"]},
    ),
    cases.Case(
        "thinking-is-not-adaptive",
        "https://github.com/tombii/better-ccflare/pull/65",
        cases.asked(**THINKING),
        {"other": [refused(400, "adaptive thinking is not supported on this model"), answers.GOOD]},
        without(1, thinking={"type": "enabled", "budget_tokens": 16000}),
    ),
    cases.Case(
        "most-tokens-of-an-answer",
        "https://github.com/anthropics/claude-code/issues/11302",
        cases.asked(max_tokens=32000),
        {"other": [refused(400, "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for m"), answers.GOOD]},
        without(1, max_tokens=8192),
    ),
    cases.Case(
        "most-tokens-of-an-answer-chat",
        "https://github.com/anthropics/claude-code/issues/11302",
        cases.asked(max_tokens=32000),
        {"other": [refused(400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"), CHAT_HELLO]},
        without(1, max_tokens=8192),
        providers=cases.CHAT,
    ),
    cases.Case(
        "effort-behind-a-gateway",
        "https://github.com/router-for-me/CLIProxyAPI/issues/1572",
        cases.asked(**THINKING),
        {"other": [refused(400, "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': 'No'}"), CHAT_HELLO]},
        without(1, reasoning_effort=None),
        providers=cases.CHAT,
    ),
    cases.Case(
        "reasoning-wanted-behind-a-gateway",
        "https://github.com/QuantumNous/new-api/issues/4806",
        cases.asked(messages=answers.USED, tools=[cases.BASH]),
        {"other": [refused(400, "Error from provider (DeepSeek): The `reasoning_content` in the thinking mode must be passed back to the API."), CHAT_HELLO]},
        answers.check_hello,
        providers=cases.CHAT,
    ),
    cases.Case(
        "a-call-that-groq-cannot-parse",
        "https://github.com/musistudio/claude-code-router/issues/295",
        cases.asked(tools=[cases.BASH]),
        {"other": [refused(400, "Failed to call a function.", code="tool_use_failed")], "spare": [answers.GOOD]},
        answers.check_fallback,
        **answers.BACK_FROM_CHAT,
    ),
)  # fmt: skip
