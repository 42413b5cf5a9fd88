"""Repairs the JSON of tool calls that servers break on the way from the model.

vLLM's parsers lose the first or the last brace of some calls, others double a brace, leave the model's
code fence around the object, or write what follows it. A repair never makes up a value: it adds or takes
away only what stands around them.
"""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from typing import Any

import msgspec

from claude_route.wire import rawjson

BEGINNING = re.compile(r'\s*\{\s*["}]')
"""The beginning of an object that needs no repair at its beginning."""

NO_BEGINNING = re.compile(r'\s*(?:[^\s{]|\{\s*[^\s"}])')
"""What can't become one."""

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\\x00-\x1f]')
_FENCE = "```"
_CLOSERS = {"{": "}", "[": "]"}
_KEY = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*:')


class Nesting:
    """Follows the nesting of an object that arrives in pieces."""

    def __init__(self) -> None:
        self.is_over = False
        """Whether the object is complete."""
        self._open: list[str] = []
        """The closing brackets that are due, the next one last."""
        self._is_string = False
        self._is_escaped = False
        self._is_broken = False

    def feed(self, text: str) -> str:
        """The part of a piece that belongs to the object, which may be all of it. Line feeds in strings,
        which some models don't escape, are escaped."""
        # The hot path: a piece for each token, most of them inside a string.
        if self._is_string and _INSIDE.search(text) is None and not self._is_escaped:
            return text
        if self.is_over:
            return ""
        at, copied, mended = 0, 0, ""
        while not self._is_broken:
            if self._is_escaped:
                if at >= len(text):
                    break
                self._is_escaped = False
                at += 1
            mark = (_INSIDE if self._is_string else _OUTSIDE).search(text, at)
            if mark is None:
                break
            at = mark.end()
            if mark[0] < " ":
                mended += text[copied : mark.start()] + json.dumps(mark[0])[1:-1]
                copied = at
            elif self._follow(mark[0]):
                return mended + text[copied:at]
        return mended + text[copied:]

    def _follow(self, mark: str) -> bool:
        """Whether this mark ends the object."""
        if mark == '"':
            self._is_string = not self._is_string
        elif mark == "\\":
            self._is_escaped = True
        elif mark in _CLOSERS:
            self._open.append(_CLOSERS[mark])
        elif self._open and self._open[-1] == mark:
            self._open.pop()
            self.is_over = not self._open
        else:
            self._is_broken = True
        return self.is_over

    def closing(self) -> str:
        """What has to be appended to complete the object; empty if that can't do it."""
        if self.is_over or self._is_broken or self._is_escaped:
            return ""
        return '"' * self._is_string + "".join(reversed(self._open))


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except rawjson.REFUSALS:
        return False
    return True


def closing(text: str) -> str:
    """What completes an object whose end is lost; empty if nothing does."""
    nesting = Nesting()
    text = nesting.feed(text)
    end = nesting.closing()
    return end if end and is_object(text + end) else ""


def _end(text: str) -> str:
    nesting = Nesting()
    nesting.feed(text)
    return nesting.closing()


def repaired(text: str, *, is_whole: bool) -> bytes | None:
    """The object in a tool call's arguments; None if there is none. `is_whole`: the provider says that
    it has sent all of it, so that only the end can be lost."""
    if is_object(text):
        return text.encode()
    for candidate in _candidates(text):
        value = _object(candidate)
        if value is None and is_whole and (end := _end(candidate)):
            value = _object(candidate + end)
        if value is not None:
            return rawjson.mend(json.dumps(value).encode())
    return None


def _candidates(text: str) -> Iterator[str]:
    yield text
    if (unfenced := _unfenced(text)) is not None:
        text = unfenced
        yield text
    stripped = text.lstrip()
    if stripped.startswith("{") and stripped[1:].lstrip().startswith("{"):
        yield stripped[1:].lstrip()
    elif _KEY.match(stripped):
        yield "{" + stripped


def _unfenced(text: str) -> str | None:
    """What stands in a code fence, which may lack its end; None if there is none."""
    # Not a regular expression, which would go back from each of a megabyte of spaces.
    text = text.strip()
    if not text.startswith(_FENCE):
        return None
    inner = text.removeprefix(_FENCE).lstrip(string.ascii_lowercase)
    return inner.strip().removesuffix(_FENCE).rstrip()


def _object(text: str) -> dict[str, Any] | None:
    """The object with which a text begins. It may contain line feeds in its strings, which some models
    don't escape, be in a string itself, or be Python's."""
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text.lstrip())
        if isinstance(value, str):
            value = json.loads(value, strict=False)
    except (ValueError, RecursionError):
        value = _literal(text) if text.lstrip().startswith("{'") else None
    return value if isinstance(value, dict) else None


def _literal(text: str) -> Any:
    """The value of a literal in Python, if JSON has such values."""
    try:
        value = ast.literal_eval(text.strip())
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return value
