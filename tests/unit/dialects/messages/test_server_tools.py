from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_route.dialects.messages import server_tools
from claude_route.wire import rawjson

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
CODE = {"type": "code_execution_20250825", "name": "code_execution"}
BASH = {"name": "Bash", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        ([SEARCH], ("web_search",)),
        ([SEARCH, SEARCH], ("web_search",)),
        ([FETCH, CODE], ("web_fetch", "code_execution")),
        ([{"type": "web_search"}], ("web_search",)),
        ([SEARCH, BASH], ()),
        ([{**BASH, "name": "web_search"}], ()),
        ([{**BASH, "type": "custom", "name": "web_search_20250305"}], ()),
        ([{"type": "web_searches"}], ()),
        ([SEARCH, {"type": "advisor_20260301", "name": "advisor"}], ()),
        ([BASH], ()),
        ([], ()),
        (None, ()),
        ("web_search", ()),
        ([{"type": 3, "name": "web_search"}], ()),
        (["web_search"], ()),
    ],
)
def test_alone(tools: Any, names: tuple[str, ...]) -> None:
    assert server_tools.alone(rawjson.encode(tools)) == names


def test_what_is_nested_too_deeply_is_about_something_else() -> None:
    deep = b'[{"type":"web_search_1","x":' + b"[" * 5000 + b"]" * 5000 + b"}]"
    assert server_tools.alone(msgspec.Raw(deep)) == ()
