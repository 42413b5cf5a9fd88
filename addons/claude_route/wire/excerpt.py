"""The beginning of a long JSON value, as valid JSON, found without decoding the rest of it.

A body may be one string of 32 MB, or have one in each block: whoever shows the first words of it needs only these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator

import msgspec

from claude_route.wire import rawjson

LEVELS = 4
"""Levels of arrays and objects whose items are cut. A long one below them is left out."""

_ITEMS = 4
"""How many strings of the greatest length an array or an object may have."""

# The beginning of a string, up to a place that is in no escape.
_BEGINNING = re.compile(rb'"(?:[^"\\]++|\\u[0-9a-fA-F]{4}|\\[^u])*+', re.DOTALL)


def of(value: msgspec.Raw | bytes, longest: int, levels: int = LEVELS) -> bytes:
    """The value with at most `longest` bytes of each string, and only the first items of a long array or object.
    In place of a long number is `null`.

    Raises:
        ValueError: it isn't JSON.
    """
    text = memoryview(value)
    if len(text) <= longest:
        return bytes(text)
    kind = bytes(text[:1])
    if kind == b'"':
        return _string(bytes(text[:longest]))
    if kind == b"[" and levels:
        items = rawjson.decode(value, list[msgspec.Raw])
        return b"[%b]" % b",".join(
            _first((of(item, longest, levels - 1) for item in items), longest)
        )
    if kind == b"{" and levels:
        fields = rawjson.decode(value, dict[str, msgspec.Raw]).items()
        cut = (
            b"%b:%b" % (msgspec.json.encode(key[:longest]), of(field, longest, levels - 1))
            for key, field in fields
        )
        return b"{%b}" % b",".join(_first(cut, longest))
    return b"null"


def _string(beginning: bytes) -> bytes:
    whole = _BEGINNING.match(beginning)
    assert whole
    return whole[0].decode("utf-8", "ignore").encode() + b'"'


def _first(items: Iterable[bytes], longest: int) -> Iterator[bytes]:
    size = 0
    for item in items:
        yield item
        size += len(item)
        if size >= _ITEMS * longest:
            return
