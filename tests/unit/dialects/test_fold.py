from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects import fold


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
