from __future__ import annotations

from typing import Any

import pytest

from claude_route.sessions import kinds

NONE: dict[str, Any] = {
    "counts": False,
    "is_check": False,
    "agent": "",
    "system": "You are Claude Code",
    "last": "hello",
    "tools": 12,
    "is_session": True,
    "max_tokens": 128_000,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "main"),
        ({"agent": "a1"}, "subagent"),
        ({"counts": True, "agent": "a1"}, "count"),
        ({"is_check": True}, "classifier"),
        ({"system": "You are a security monitor for agents.", "tools": 0}, "classifier"),
        ({"system": "You are Claude Code\nYou are naming a coding session so …"}, "title"),
        ({"last": "CRITICAL. Your task is to create a detailed summary of the conv"}, "compaction"),
        (
            {"last": "Your task is to create a detailed summary of it", "agent": "a1"},
            "compaction",
        ),
        ({"last": "create a detailed summary of the API"}, "main"),
        ({"max_tokens": 1, "tools": 0}, "other"),
        ({"tools": 0}, "other"),
        ({"tools": 0, "is_session": False}, "main"),
    ],
)
def test_kinds(changes: dict[str, Any], expected: str) -> None:
    assert kinds.kind(**(NONE | changes)) == expected
