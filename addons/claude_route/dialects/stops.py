"""Why an answer ended: the words of all APIs, and Claude Code's.

Gateways pass on the words of the API that they call, so any of them may come in either dialect.
"""

from __future__ import annotations

from typing import Any
from typing import TypeGuard

REASONS = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause_turn",
    "refusal": "refusal",
    "model_context_window_exceeded": "model_context_window_exceeded",
    # Chat Completions
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    # Mistral, Cohere, and OpenAI's Responses
    "model_length": "max_tokens",
    "max_output_tokens": "max_tokens",
    # Z.ai, Bedrock, Gemini
    "sensitive": "refusal",
    "content_filtered": "refusal",
    "guardrail_intervened": "refusal",
    "safety": "refusal",
    "recitation": "refusal",
    "blocklist": "refusal",
    "prohibited_content": "refusal",
    "spii": "refusal",
}
"""A provider's word in lower case -> the client's stop_reason."""

_FAILURES = {
    # OpenRouter; Z.ai; DeepSeek; vLLM and SGLang
    *("error", "network_error", "insufficient_system_resource", "abort", "aborted"),
    # Gemini, which has discarded what the model wrote
    *("malformed_function_call", "unexpected_tool_call"),
}
"""Words in lower case for an answer that its provider could not complete."""

_CUT = {"max_tokens", "model_context_window_exceeded"}


def reason(given: Any) -> str | None:
    """The client's stop_reason for what a provider reports; None if it is unknown."""
    return REASONS.get(given.lower()) if isinstance(given, str) else None


def is_failure(given: Any) -> TypeGuard[str]:
    """Whether the provider reports that it could not complete the answer. To the client, such an answer
    would look as if the model had nothing more to do."""
    # Behind some gateways: `function_call_filter: MALFORMED_FUNCTION_CALL`
    return isinstance(given, str) and given.lower().rpartition(": ")[2] in _FAILURES


def is_cut(given: Any) -> bool:
    """Whether the answer has reached a limit, so that it may end anywhere."""
    return reason(given) in _CUT


def failure(given: str) -> str:
    """What went wrong, in words."""
    return f"the provider ended its answer with {given}"
