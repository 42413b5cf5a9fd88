from __future__ import annotations

import json
import time
from typing import Any

import pytest

from claude_route.wire import excerpt
from claude_route.wire import rawjson

LONGEST = 40


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        ({"a": 1}, {"a": 1}),
        ("a" * 100, "a" * 39),
        ({"a": "b" * 100, "c": [1]}, {"a": "b" * 39, "c": [1]}),
        (["x" * 100, {"y": "z" * 100}], ["x" * 39, {"y": "z" * 39}]),
        ({"k" * 100: 1}, {"k" * 40: 1}),
        (int("1" * 100), None),
        ([["a" * 30]] * 100, [["a" * 30]] * 5),
        ([[[[["a" * 100]]]]], [[[[None]]]]),
    ],
)
def test_values(value: Any, cut: Any) -> None:
    text = json.dumps(value, separators=(",", ":")).encode()
    assert json.loads(excerpt.of(text, LONGEST)) == cut


@pytest.mark.parametrize(
    "unit", ["\\n", '\\"', "\\\\", "\\u0000", "\\ud83d\\ude00", "é", "😀", "ab"]
)
@pytest.mark.parametrize("before", range(12))
def test_no_cut_is_in_an_escape_or_a_character(unit: str, before: int) -> None:
    text = f'"{"x" * before}{unit * 50}"'
    cut = rawjson.decode_mended(excerpt.of(text.encode(), LONGEST), str)
    assert json.loads(text).startswith(cut.rstrip("\ufffd"))
    assert len(cut) >= 2


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError):
        excerpt.of(b'{"a":' + b"[" * 100, LONGEST)


def test_only_the_beginning_is_looked_at() -> None:
    text = b'"%b"' % (b"\\u0000" * 1_000_000)
    began = time.process_time()
    for _ in range(100):
        excerpt.of(text, 1000)
    assert time.process_time() - began < 1
