"""How much work a JSON text is, seen without decoding it.

A body of 32 MB may be one picture, or two million empty objects, which take a gigabyte of memory and half
a minute to translate. What is in strings costs nothing more; each value outside of them does.
"""

from __future__ import annotations

import re

MOST_VALUES = 250_000
"""The most values of one body. A conversation of a million tokens has a few ten thousand."""

MOST_ESCAPES = 2_000_000
"""The most backslashes of one body. A conversation of a million tokens has some hundred thousand; if all of it
is Chinese and escaped, a million and a half."""

_ESCAPABLE = 8 * 1024 * 1024
"""Bytes. As many escapes as a smaller body has room for are read fast enough, and counting takes a fifth of the
time of reading."""

MOST_HALVES = 250_000
"""The most escaped halves of surrogate pairs, in a body in which some have no other half."""

LARGE = 1024 * 1024
"""Bytes from which reading a body takes longer than 20 ms, whatever it consists of."""

_SMALL = 128 * 1024
"""Bytes up to which it doesn't."""

_MOST_OBJECTS = 4000
"""As many can be read and translated in 20 ms."""

_CHECKED = 2 * 1024 * 1024
"""A smaller body isn't looked at: it has no room for more objects than that."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# Strings and what is between them.
_STRETCH = re.compile(rb'(?:[^"]++|"(?:[^"\\]++|\\.)*+")++', re.DOTALL)
# A part of a string, which ends before its last quote.
_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SLICE = 256 * 1024
"""Bytes of one look: the other threads have to wait meanwhile."""
_MARKS = (b",", b"[", b"{")
"""Each value but the first of all comes after one of them, or after a key."""


def is_heavy(text: bytes) -> bool:
    """Whether reading a body may take longer than 20 ms."""
    if len(text) <= _SMALL:
        return False
    return len(text) > LARGE or text.count(b"{") > _MOST_OBJECTS


def check(text: bytes, least: int = _CHECKED) -> None:
    """Check a text that has more than `least` bytes.

    Raises:
        OverflowError: it has too many values or escapes to be read.
    """
    if len(text) > _ESCAPABLE and _count(text, b"\\") > MOST_ESCAPES:
        raise OverflowError(f"body: expected at most {MOST_ESCAPES} escapes, got more")
    # Counting those in strings too takes a tenth of the time, and nearly always suffices.
    if len(text) <= least or _marks(text) <= MOST_VALUES:
        return
    at = values = 0
    while at < len(text):
        stretch = _STRETCH.match(text, at, at + _SLICE)
        if stretch is None:
            at = _string_end(text, at)
            continue
        values += _marks(_STRING.sub(b"", stretch[0]))
        at = stretch.end()
        if values > MOST_VALUES:
            raise OverflowError(f"body: expected at most {MOST_VALUES} values, got more")


def has_many_halves(text: bytes) -> bool:
    """Whether it would take long to mend them."""
    return _count(text, b"\\ud") + _count(text, b"\\uD") > MOST_HALVES


def _string_end(text: bytes, start: int) -> int:
    """Where the string that begins at `start` ends; the length of the text if it doesn't."""
    at = start + 1
    while inside := _INSIDE.match(text, at, at + _SLICE):
        if text.startswith(b'"', inside.end()):
            return inside.end() + 1
        if inside.end() == at:
            break
        at = inside.end()
    return len(text)


def _marks(text: bytes) -> int:
    return sum(_count(text, mark) for mark in _MARKS)


def _count(text: bytes, mark: bytes) -> int:
    """How often it has the mark, in slices."""
    further = len(mark) - 1
    starts = range(0, len(text), _SLICE)
    return sum(text.count(mark, start, start + _SLICE + further) for start in starts)
