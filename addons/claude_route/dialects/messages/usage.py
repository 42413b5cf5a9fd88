"""What a message says it took: https://platform.claude.com/docs/en/api/messages, `usage`."""

from __future__ import annotations

from typing import Any

import msgspec

from claude_route.dialects import usage
from claude_route.wire import rawjson


def read(fields: Any, before: usage.Usage = usage.NONE) -> usage.Usage:
    """A `usage` object; what it doesn't say stays as it was before."""
    if not isinstance(fields, dict):
        return before
    kept = fields.get("cache_creation")
    return usage.Usage(
        input=_number(fields.get("input_tokens"), before.input),
        output=_number(fields.get("output_tokens"), before.output),
        cache_read=_number(fields.get("cache_read_input_tokens"), before.cache_read),
        cache_write=_number(fields.get("cache_creation_input_tokens"), before.cache_write),
        cache_write_1h=_number(
            kept.get("ephemeral_1h_input_tokens") if isinstance(kept, dict) else None,
            before.cache_write_1h,
        ),
    )


def _number(value: Any, otherwise: int) -> int:
    # Numbers that a double can't represent exactly aren't token counts.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    return int(value) if 0 <= value < 2**53 else otherwise


class _Message(msgspec.Struct):
    usage: Any = None


class Counted(msgspec.Struct):
    """A message, an event of a stream, or the answer of count_tokens: its numbers only."""

    message: _Message | None = None
    usage: Any = None
    input_tokens: int | None = None


def decode(data: bytes) -> Counted | None:
    """The numbers in an answer or an event, None where it has none."""
    try:
        return rawjson.decode_mended(data, Counted)
    except ValueError:
        return None


def of_body(body: bytes) -> usage.Usage | None:
    """Of a whole answer: a message, or what count_tokens says."""
    counted = decode(body)
    if counted is None:
        return None
    if isinstance(counted.usage, dict):
        return read(counted.usage)
    return usage.Usage(input=counted.input_tokens) if counted.input_tokens else None
