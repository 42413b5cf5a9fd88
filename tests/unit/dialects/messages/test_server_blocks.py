from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_route.dialects.messages import server_blocks

SEALED = {"type": "web_search_result", "url": "u", "encrypted_content": "E"}


@pytest.mark.parametrize(
    "kind, id, is_anthropics",
    [
        ("server_tool_use", "srvtoolu_01AbC_9", True),
        ("server_tool_use", "srvtoolu_", False),
        ("server_tool_use", "srvtoolu_a-b", False),
        ("server_tool_use", "call_1", False),
        ("server_tool_use", "toolu_1", False),
        ("server_tool_use", "mcptoolu_1", False),
        ("server_tool_use", None, False),
        ("server_tool_use", [], False),
        ("mcp_tool_use", "mcptoolu_01", True),
        ("mcp_tool_use", "srvtoolu_01", False),
    ],
)
def test_ids(kind: str, id: object, is_anthropics: bool) -> None:
    assert server_blocks.is_anthropics_id(kind, id) == is_anthropics


@pytest.mark.parametrize(
    "kind, content, is_anthropics",
    [
        ("web_search_tool_result", [SEALED], True),
        ("web_search_tool_result", [], True),
        ("web_search_tool_result", {"type": "web_search_tool_result_error"}, True),
        ("web_search_tool_result", [SEALED, {"type": "web_search_result", "url": "u"}], False),
        ("web_search_tool_result", [SEALED | {"encrypted_content": ""}], False),
        ("web_search_tool_result", [SEALED | {"encrypted_content": None}], False),
        ("web_search_tool_result", [SEALED | {"type": "text"}], False),
        ("web_search_tool_result", ["text"], False),
        ("web_search_tool_result", "text", False),
        ("web_search_tool_result", None, False),
        ("web_fetch_tool_result", {"type": "web_fetch_result", "url": "u"}, True),
        ("web_fetch_tool_result", [{"type": "text", "text": "x"}], False),
        ("bash_code_execution_tool_result", {"type": "bash_code_execution_result"}, True),
        ("code_execution_tool_result", {}, False),
        ("mcp_tool_result", [{"type": "text", "text": "x"}], True),
        ("mcp_tool_result", "x", True),
        ("mcp_tool_result", None, False),
    ],
)
def test_results(kind: str, content: Any, is_anthropics: bool) -> None:
    assert server_blocks.is_anthropics_result(kind, content) == is_anthropics


@pytest.mark.parametrize(
    "content, text",
    [
        ([SEALED], '[x_tool_result: [{"type":"web_search_result","url":"u"}]]'),
        ("found", "[x_tool_result: found]"),
        ({"type": "base64", "data": "AAAA", "media_type": "m"},
         '[x_tool_result: {"type":"base64","media_type":"m"}]'),
    ],
)  # fmt: skip
def test_result_text(content: Any, text: str) -> None:
    raw = msgspec.Raw(msgspec.json.encode(content))
    assert server_blocks.result_text("x_tool_result", raw) == text


def test_call_text() -> None:
    assert server_blocks.call_text("web_search", "{}") == "[Called web_search: {}]"
