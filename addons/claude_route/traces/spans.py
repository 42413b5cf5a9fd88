"""A request as a span, by OpenTelemetry's conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from typing import NamedTuple

from claude_route.proxy import records

_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

OPERATIONS = {"message": "chat", "check": "chat", "count": "count_tokens"}

PROVIDERS = {"anthropic": "anthropic", "openai": "openai", "groq": "groq", "deepseek": "deepseek"}
"""Ours, and what the conventions call them. Others have their own names."""


class Parent(NamedTuple):
    """The client's span."""

    trace: int
    span: int
    is_sampled: bool


def parent(traceparent: str) -> Parent | None:
    """None if the client has sent none, or what isn't one."""
    match = _PARENT.fullmatch(traceparent)
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return None
    return Parent(int(match[1], 16), int(match[2], 16), bool(int(match[3], 16) & 1))


def name(record: records.Record) -> str:
    return f"{OPERATIONS[record.kind]} {record.model}".rstrip()


def attributes(record: records.Record) -> dict[str, str | int | float]:
    provider, _, model = record.target.partition("/")
    used = record.usage
    values: dict[str, str | int | float | None] = {
        "gen_ai.operation.name": OPERATIONS[record.kind],
        "gen_ai.provider.name": PROVIDERS.get(provider, provider) or None,
        "gen_ai.request.model": record.model or None,
        "gen_ai.response.model": model if record.first_byte is not None else None,
        "gen_ai.conversation.id": record.session or None,
        "gen_ai.usage.input_tokens": used.prompt or None,
        "gen_ai.usage.output_tokens": used.output or None,
        "gen_ai.usage.cache_read.input_tokens": used.cache_read or None,
        "gen_ai.usage.cache_creation.input_tokens": used.cache_write or None,
        "http.response.status_code": record.status or None,
        "error.type": record.error or None,
        "claude_route.client": record.client or None,
        "claude_route.attempts": record.attempts,
        "claude_route.time_to_first_byte": record.first_byte,
        "claude_route.cost": record.cost.dollars,
    }
    return {key: value for key, value in values.items() if value is not None}
