from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import dialect
from claude_route.dialects import fold
from claude_route.dialects import registry


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ("Hi", [{"type": "text", "text": "Hi"}]),
        ([{"type": "image"}, "Hi", 7], [{"type": "image"}, *map(fold.text_block, ("Hi", "7"))]),
        (None, []),
        ({"type": "text"}, []),
    ],
)
def test_listed(content: Any, blocks: list[fold.Block]) -> None:
    assert fold.listed(content) == blocks


@pytest.mark.parametrize(
    ("pieces", "block"),
    [
        (['{"a"', ":1}"], {"type": "tool_use", "input": {"a": 1}}),
        (['{"a"'], {"type": "tool_use", "input": {}, "partial_json": '{"a"'}),
        ([" "], {"type": "tool_use", "input": {}}),
    ],
)
def test_a_block_that_grows(pieces: list[str], block: fold.Block) -> None:
    growing = fold.Growing({"type": "tool_use", "input": {}})
    for piece in pieces:
        growing.add("partial_json", piece)
    assert growing.value() == block


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"error":{"type":"a","message":"b","code":"c"}}', ("a", "b")),
        (b'{"error":{"message":"b","code":"c"}}', ("c", "b")),
        (b"gone", ("error", "gone")),
    ],
)
def test_error(data: bytes, error: tuple[str, str]) -> None:
    assert fold.error(data) == error


@pytest.mark.parametrize("spoken", registry.BY_NAME.values(), ids=lambda each: each.name)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a":1}', b"\xff", b"[" * 5000])
def test_no_answer(spoken: dialect.Dialect, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^body: expected"):
        spoken.fold(body, is_stream=False)


odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 1.5, "", "text", [], ["text"], [[]], {}, {"type": "text"}]
)
keys = st.sampled_from(
    [
        "type",
        "index",
        "delta",
        "message",
        "usage",
        "content_block",
        "choices",
        "error",
        "text",
        "content",
        "tool_calls",
    ]
)
kinds = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "text_delta",
        "message_delta",
        "error",
    ]
)
fields = st.dictionaries(keys, odd | kinds, max_size=4)


@pytest.mark.parametrize("spoken", registry.BY_NAME.values(), ids=lambda each: each.name)
@settings(max_examples=60)
@given(events=st.lists(st.dictionaries(keys, odd | kinds | fields | st.lists(fields, max_size=2))))
def test_never_raises(spoken: dialect.Dialect, events: list[dict[str, Any]]) -> None:
    wire = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    answer = spoken.fold(wire, is_stream=True)
    assert answer.unread <= answer.events == len(events)
    for event in events:
        with contextlib.suppress(ValueError):
            spoken.fold(json.dumps(event).encode(), is_stream=False)
