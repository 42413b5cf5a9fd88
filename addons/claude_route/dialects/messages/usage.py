"""Reads the usage that a message reports, and its id: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

from typing import Any

import msgspec

from claude_route.dialects import usage
from claude_route.wire import rawjson


def read(fields: Any, before: usage.Usage = usage.NONE) -> usage.Usage:
    """Read a `usage` object. Fields that it lacks keep their values from `before`."""
    if not isinstance(fields, dict):
        return before
    creation = fields.get("cache_creation")
    return usage.Usage(
        input=_number(fields.get("input_tokens"), before.input),
        output=_number(fields.get("output_tokens"), before.output),
        cache_read=_number(fields.get("cache_read_input_tokens"), before.cache_read),
        cache_write=_number(fields.get("cache_creation_input_tokens"), before.cache_write),
        cache_write_1h=_number(
            creation.get("ephemeral_1h_input_tokens") if isinstance(creation, dict) else None,
            before.cache_write_1h,
        ),
    )


def _number(value: Any, otherwise: int) -> int:
    counted = usage.number(value)
    return otherwise if counted is None else counted


class _Message(msgspec.Struct):
    id: Any = None
    usage: Any = None


class Counted(msgspec.Struct):
    """The numbers in a message, an event of a stream, or an answer of count_tokens."""

    id: Any = None
    message: _Message | None = None
    usage: Any = None
    input_tokens: int | None = None


def decode(data: bytes) -> Counted | None:
    """The numbers in an answer or an event; None if it isn't JSON of this form."""
    try:
        return rawjson.decode_mended(data, Counted)
    except ValueError:
        return None


def of_body(body: bytes) -> usage.Usage | None:
    """The usage in a whole body: a message, or an answer of count_tokens."""
    counted = decode(body)
    if counted is None:
        return None
    if isinstance(counted.usage, dict):
        return read(counted.usage)
    return usage.Usage(input=counted.input_tokens) if counted.input_tokens else None


def message_id(body: bytes) -> str:
    """The id of a whole message; empty if it has none."""
    counted = decode(body)
    return counted.id if counted and isinstance(counted.id, str) else ""
