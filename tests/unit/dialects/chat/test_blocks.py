from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects.chat import blocks


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "user", "content": "hi"}, [{"type": "text", "text": "hi"}]),
        ({"role": "assistant", "content": None}, []),
        (
            {"role": "assistant", "reasoning_content": "Hm", "content": "hi"},
            [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "hi"}],
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c1", "function": {"name": "Bash", "arguments": '{"command":"ls"}'}},
                    {"id": "c2", "function": {"name": "Bash", "arguments": "{"}},
                    {"id": "c3"},
                    None,
                ],
            },
            [
                {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}},
                {"type": "tool_use", "id": "c2", "name": "Bash", "partial_json": "{"},
                {"type": "tool_use", "id": "c3", "name": None, "input": {}},
            ],
        ),
        (
            {"role": "tool", "tool_call_id": "c1", "content": "out"},
            [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": "out"}],
                }
            ],
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "image_url", "image_url": "https://a"},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,BB"}},
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                    "bare",
                    7,
                ],
            },
            [
                {"type": "image", "source": {"media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"url": "https://a"}},
                {"type": "document", "source": {"media_type": "application/pdf", "data": "BB"}},
                {"type": "thinking", "thinking": "Hm"},
                {"type": "text", "text": "bare"},
                {"type": "text", "text": "7"},
            ],
        ),
    ],
)
def test_of_message(message: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert blocks.of_message(message) == expected
