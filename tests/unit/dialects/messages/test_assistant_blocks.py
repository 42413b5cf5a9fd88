from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import assistant_blocks
from claude_route.dialects.messages import requests


def history(*messages: tuple[str, Any]) -> list[requests.Message]:
    listed = [{"role": role, "content": content} for role, content in messages]
    return requests.read(json.dumps({"model": "m", "messages": listed}).encode()).messages


def test_only_an_assistants_are_read() -> None:
    call = {"type": "tool_use", "id": "a", "name": "Bash", "input": {"type": "x"}}
    read = assistant_blocks.read(history(("user", [7]), ("assistant", [call]), ("assistant", "a")))
    assert [[(block.type, block.id, block.name) for block in blocks] for blocks in read] == [
        [],
        [("tool_use", "a", "Bash")],
        [],
    ]


@pytest.mark.parametrize(
    "block, mark",
    [
        ({"type": "thinking", "signature": "s", "data": "d"}, "s"),
        ({"type": "redacted_thinking", "signature": "s", "data": "d"}, "d"),
        ({"type": "thinking"}, ""),
        ({"type": "thinking", "signature": [7]}, ""),
    ],
)
def test_mark(block: dict[str, Any], mark: str) -> None:
    assert assistant_blocks.read(history(("assistant", [block])))[0][0].mark == mark


def test_invalid_blocks() -> None:
    with pytest.raises(ValueError) as e:
        assistant_blocks.read(history(("user", "hi"), ("assistant", [{"type": "text"}, 3])))
    assert str(e.value) == "messages[1].content[1]: expected an object, got an integer"
