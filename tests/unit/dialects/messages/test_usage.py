from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects import usage
from claude_route.dialects.messages import usage as messages_usage


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, usage.Usage(1, 2, 3, 4, 5)),
        (None, usage.Usage(1, 2, 3, 4, 5)),
        ([], usage.Usage(1, 2, 3, 4, 5)),
        ({"input_tokens": 9}, usage.Usage(9, 2, 3, 4, 5)),
        ({"input_tokens": None, "output_tokens": 0}, usage.Usage(1, 0, 3, 4, 5)),
        ({"input_tokens": "9", "output_tokens": True}, usage.Usage(1, 2, 3, 4, 5)),
        ({"input_tokens": -1, "output_tokens": 1e300}, usage.Usage(1, 2, 3, 4, 5)),
        ({"output_tokens": float("nan")}, usage.Usage(1, 2, 3, 4, 5)),
        (
            {
                "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 40,
                "cache_creation": {"ephemeral_1h_input_tokens": 10},
            },
            usage.Usage(1, 2, 30, 40, 10),
        ),
        ({"cache_creation": "?"}, usage.Usage(1, 2, 3, 4, 5)),
    ],
)
def test_read(fields: Any, expected: usage.Usage) -> None:
    assert messages_usage.read(fields, usage.Usage(1, 2, 3, 4, 5)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "message", "usage": {"input_tokens": 5, "output_tokens": 6}}, usage.Usage(5, 6)),
        ({"input_tokens": 12}, usage.Usage(12)),
        ({"type": "message"}, None),
        ({"usage": 3, "input_tokens": None}, None),
    ],
)
def test_of_body(body: Any, expected: usage.Usage | None) -> None:
    assert messages_usage.of_body(json.dumps(body).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[1]", b"[" * 5000])
def test_of_what_is_no_answer(body: bytes) -> None:
    assert messages_usage.of_body(body) is None


def test_half_an_emoji() -> None:
    answer = {"content": [{"type": "text", "text": "\ud83e"}], "usage": {"output_tokens": 3}}
    assert messages_usage.of_body(json.dumps(answer).encode()) == usage.Usage(output=3)
