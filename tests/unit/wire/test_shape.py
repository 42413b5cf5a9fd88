from __future__ import annotations

import json

import pytest

from claude_route.wire import shape

MANY = shape.MOST_VALUES + 1


def of_size(text: bytes) -> bytes:
    """Long enough to be looked at."""
    return text + b" " * (3 * 1024 * 1024 - len(text))


@pytest.mark.parametrize(
    "text",
    [
        b"[" * MANY,
        b'{"a":' * MANY,
        b"[" + b"1," * MANY + b"1]",
        b"[" + b'"a,",' * MANY + b"1]",
        b"{" + b'"":1,' * MANY + b'"":1}',
        b'["' + b"," * MANY + b'",' + b"[]," * MANY + b"1]",
    ],
)
def test_too_many_values(text: bytes) -> None:
    with pytest.raises(OverflowError, match="body: expected at most 250000 values, got more"):
        shape.check(of_size(text))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[" + b"1," * (MANY - 3) + b"1]",
        json.dumps(["a, [b], {c}" * MANY]).encode(),
        json.dumps(['\\"' * MANY + ",[" * MANY]).encode(),
        b'["' + b'\\",' * MANY + b'"]',
        b'["never ends' + b"," * MANY,
        b"," * 100,
    ],
)
def test_what_is_in_strings_does_not_count(text: bytes) -> None:
    shape.check(of_size(text))


LONG = 600 * 1024
"""More than one look's."""


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("inside", [b"a", b"\\\\", b'\\"', b",", b"[,"])
def test_strings_longer_than_a_look(inside: bytes, shift: int) -> None:
    string = b'"' + b"x" * shift + inside * (LONG // len(inside)) + b'"'
    shape.check(of_size(b"[" + b",".join([string] * 3) + b"," * (MANY - 5) + b"]"))
    with pytest.raises(OverflowError):
        shape.check(of_size(b"[" + b",".join([string] * 3) + b"," * MANY + b"]"))


@pytest.mark.parametrize("end", [b"", b"\\", b"\\\\", b'\\"'])
def test_strings_without_an_end(end: bytes) -> None:
    shape.check(b'["' + b"," * 3 * 1024 * 1024 + end)


def test_a_small_body_is_not_looked_at() -> None:
    small = b"[" * MANY
    shape.check(small)
    with pytest.raises(OverflowError):
        shape.check(small, 0)


@pytest.mark.parametrize(
    ("text", "is_heavy"),
    [
        (b"{" * 100_000, False),
        (b"{" * 200_000, True),
        (b"a" * 200_000, False),
        (b"a" * 2_000_000, True),
    ],
)
def test_is_heavy(text: bytes, is_heavy: bool) -> None:
    assert shape.is_heavy(text) is is_heavy


def test_too_many_escapes() -> None:
    most = b'["%b"]' % (b"\\n" * shape.MOST_ESCAPES) + b" " * shape._ESCAPABLE
    shape.check(most)
    with pytest.raises(OverflowError, match="body: expected at most 2000000 escapes, got more"):
        shape.check(most.replace(b'"', b'"\\n', 1))
    shape.check(b'["%b"]' % (b"\\n" * (shape._ESCAPABLE // 2 - 2)))


@pytest.mark.parametrize("mark", [b"\\ud", b"\\uD"])
def test_halves_are_counted_across_slices(mark: bytes) -> None:
    for shift in range(3):
        text = b"x" * shift + mark * (shape.MOST_HALVES + 1)
        assert shape.has_many_halves(text)
        assert not shape.has_many_halves(text[len(mark) :])
