"""Decodes only some parts of a JSON text, and accepts JSON that clients send but msgspec refuses."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable
from collections.abc import Mapping
from typing import Any
from typing import cast

import msgspec

from claude_route.wire import shape

REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions that msgspec raises: pass them to explain()."""

NULL = msgspec.Raw(b"null")

# These read bodies of megabytes that anyone may have made up. Possessive quantifiers (`++`, `*+`) give
# nothing back, so a match takes linear time; with `+` and `*`, an unclosed string takes exponential time.

# A string. DOTALL, because an invalid one may contain a backslash before a line break.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# A field's key, up to its value.
_KEY = re.compile(rb"\s*+(%b)\s*+:\s*+" % _STRING, re.DOTALL)
# A number, true, false or null, or whatever stands in its place up to the next mark.
_SCALAR = re.compile(rb"[^\s,:\[\]{}\"]++")
# What a value's nesting is counted by. Strings match whole, so that brackets in them don't count, and
# brackets in runs, because each match is a step of a loop in Python.
_NESTING = re.compile(rb"%b|[\[{]++|[\]}]++" % _STRING, re.DOTALL)
# What follows a field: another one, or the end of the object.
_AFTER_VALUE = re.compile(rb"\s*+([,}])")

# Half of a surrogate pair, as an escape without its backslash.
_HALF = rb"u[dD][89a-fA-F][0-9a-fA-F]{2}"
# A run of them. Only after an even number of other backslashes is the first one an escape. They aren't
# matched: a text of backslashes would be searched to its end from each of them.
_HALVES = re.compile(rb"\\%b(?:\\%b)*+" % (_HALF, _HALF))
_LENGTH_OF_HALF = 6
"""With its backslash."""
_SLICE = 256 * 1024
"""Bytes in which a run is searched for at once: the other threads have to wait meanwhile."""
# Within a run, in this order: a pair, which stays, or a half that has no other.
_PAIR_OR_HALF = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....")

# msgspec's messages.
_WRONG_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)`(?: - at `\$(.*)`)?")
_MISSING = re.compile(r"Object missing required field `(.+?)`(?: - at `\$(.*)`)?")
_AT = re.compile(r" - at `\$([^`]*)`$")
_TYPES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
}


def decode[T](data: msgspec.Raw | bytes, type: type[T], place: str = "") -> T:
    """The value of the JSON that is at `place` in the body.

    Raises:
        ValueError: `<place>: expected <what>, got <what>`, without any of the content.
    """
    try:
        value: T = _decoder(cast(Hashable, type)).decode(data)
    except REFUSALS as e:
        raise ValueError(explain(e, place)) from e
    return value


def decode_mended[T](data: msgspec.Raw | bytes, type: type[T]) -> T:
    """The value, even if the JSON contains lone halves of surrogate pairs.

    Raises:
        ValueError: as decode().
    """
    try:
        value: T = _decoder(cast(Hashable, type)).decode(data)
    except REFUSALS as e:
        text = bytes(data)
        if not has_halves(text) or shape.has_many_halves(text):
            raise ValueError(explain(e)) from e
        return decode(mend(text), type)
    return value


def is_value(data: bytes) -> bool:
    """Whether this is complete JSON."""
    try:
        decode_mended(data, object)
    except ValueError:
        return False
    return True


@functools.cache
def _decoder(type: Hashable) -> msgspec.json.Decoder[Any]:
    # Building a decoder for a type takes longer than decoding a small value.
    return msgspec.json.Decoder(type)


class _Typed(msgspec.Struct):
    type: str


_TYPED = msgspec.json.Decoder(_Typed)
_STR = msgspec.json.Decoder(str)


def kind(data: msgspec.Raw | bytes) -> str:
    """The `type` of an object; empty if it has none."""
    try:
        return _TYPED.decode(data).type
    except REFUSALS:
        return ""


def text(fields: Mapping[str, msgspec.Raw], key: str) -> str:
    """A field that is a string; empty if there is none."""
    try:
        return _STR.decode(fields.get(key, NULL))
    except REFUSALS:
        return ""


def is_array(data: msgspec.Raw) -> bool:
    return memoryview(data)[0] == ord("[")


def encode(value: object) -> msgspec.Raw:
    """The value as JSON, for use inside other JSON."""
    return msgspec.Raw(msgspec.json.encode(value))


def explain(error: Exception, place: str = "") -> str:
    """An error message for the value at `place`, without any of the content."""
    if isinstance(error, RecursionError):
        return f"{place or 'body'}: expected at most 1000 levels of nesting, got more"
    if isinstance(error, UnicodeDecodeError):
        return f"{place or 'body'}: expected UTF-8, got other bytes"
    if wrong := _WRONG_TYPE.fullmatch(str(error)):
        expected, got, path = wrong.groups(default="")
        names = " or ".join(_TYPES.get(name, name) for name in expected.split(" | "))
        return f"{_join(place, path)}: expected {names}, got {_TYPES.get(got, got)}"
    if missing := _MISSING.fullmatch(str(error)):
        key, path = missing.groups(default="")
        return f"{_join(place, f'{path}.{key}')}: expected a value, got nothing"
    if isinstance(error, msgspec.ValidationError):
        # It may quote the value.
        inside = _AT.search(str(error))
        return f"{_join(place, inside[1] if inside else '')}: expected another value"
    reason = str(error).removeprefix("JSON is malformed: ")
    return f"{place or 'body'}: expected JSON, got {reason[:1].lower()}{reason[1:]}"


def _join(place: str, path: str) -> str:
    return (place + path).lstrip(".") or "body"


def has_halves(text: bytes) -> bool:
    """Whether there may be something to mend."""
    return b"\\ud" in text or b"\\uD" in text


def mend(text: bytes) -> bytes:
    r"""The text with each lone half of a surrogate pair replaced by `\ufffd`, of the same length."""
    if not has_halves(text):
        return text
    mended: list[bytes] = []
    copied = at = 0
    while at < len(text):
        found = _HALVES.search(text, at, at + _SLICE)
        run = found and _HALVES.match(text, found.start())
        if run is None:
            at += _SLICE - _LENGTH_OF_HALF + 1
            continue
        mended += text[copied : run.start()], _mended_run(run)
        copied = at = run.end()
    return b"".join((*mended, text[copied:]))


def _mended_run(match: re.Match[bytes]) -> bytes:
    kept, run = b"", match[0]
    if _backslashes(match.string, match.start()) % 2:
        # The first `u` follows an escaped backslash, so it is an ordinary letter.
        kept, run = run[:6], run[6:]
    return kept + _PAIR_OR_HALF.sub(lambda m: m[0] if len(m[0]) == 12 else rb"\ufffd", run)


def _backslashes(text: bytes, end: int) -> int:
    """How many are right before `end`."""
    size = 16
    while True:
        before = text[max(end - size, 0) : end]
        others = len(before.rstrip(b"\\"))
        if others or size >= end:
            return len(before) - others
        size *= 8


def span(text: bytes, fields: Mapping[str, msgspec.Raw], wanted: str) -> tuple[int, int] | None:
    """Start and end of a top-level value in `text`; None if the object has a duplicate key.

    `fields` is what `text` decodes to. It gives the length of each value, so none is scanned.
    """
    result = None
    place = text.index(b"{") + 1
    for walked in range(1, len(fields) + 1):
        key = _KEY.match(text, place)
        if key is None:
            return None
        name = decode(key[1], str)
        value = memoryview(fields[name])
        start, end = key.end(), key.end() + len(value)
        after = _AFTER_VALUE.match(text, end)
        if after is None or not text.startswith(value, start):
            return None
        if name == wanted:
            result = start, end
        if after[1] == b"}":
            return result if walked == len(fields) else None
        place = after.end()
    return None


def outline(text: bytes) -> dict[str, msgspec.Raw]:
    """The top-level fields of an object that is nested too deeply to be decoded.

    Raises:
        ValueError: it is not an object. Values are not checked, apart from counting brackets.
    """
    fields = {}
    body = text.strip()
    place = 1
    more = body.startswith(b"{")
    while more:
        key = _KEY.match(body, place)
        end = _value_end(body, key.end()) if key else -1
        after = _AFTER_VALUE.match(body, end) if end > 0 else None
        if key is None or after is None:
            break
        fields[decode(key[1], str)] = msgspec.Raw(body[key.end() : end])
        place = after.end()
        if after[1] == b"}" and place == len(body):
            return fields
        more = after[1] == b","
    raise ValueError("body: expected a JSON object, got something else")


def _value_end(text: bytes, start: int) -> int:
    """Where the value that starts at `start` ends; -1 if it doesn't."""
    if scalar := _SCALAR.match(text, start):
        return scalar.end()
    depth = 0
    for token in _NESTING.finditer(text, start):
        if depth == 0 and token.start() != start:
            return -1
        length = token.end() - token.start()
        if token[0][0] in b"[{":
            depth += length
        elif token[0][0] in b"]}":
            if length >= depth:
                return token.start() + depth if depth else -1
            depth -= length
        elif depth == 0:
            return token.end()
    return -1
