from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects.chat import blocks as chat_blocks
from claude_route.watch.views import blocks

SIGNATURE = "ab" * 64
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "A" * 16_000}


@pytest.mark.parametrize(
    ("block", "lines"),
    [
        ({"type": "text", "text": "a\nb"}, ["  a", "  b"]),
        ({"type": "text", "text": "a", **CACHED}, ["  a", "  ◆ cache point 1h"]),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            ["  a", "  ◆ cache point 5m"],
        ),
        (
            {"type": "thinking", "thinking": "Hm", "signature": SIGNATURE},
            ["  ~ thinking (anthropic)", "    Hm"],
        ),
        (
            {"type": "thinking", "thinking": "Hm", "signature": "route:zai:x"},
            ["  ~ thinking (zai)", "    Hm"],
        ),
        ({"type": "thinking", "thinking": "Hm"}, ["  ~ thinking (no origin)", "    Hm"]),
        (
            {"type": "thinking", "thinking": "", "signature": SIGNATURE},
            ["  ~ thinking (anthropic, not shown; its signature has 128 characters)"],
        ),
        (
            {"type": "redacted_thinking", "data": "xyz"},
            ["  ~ redacted thinking (anthropic, not shown; its data has 3 characters)"],
        ),
        (
            {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "a\nb", "n": 1}},
            ["  → Bash  t1", "      command:", "        a", "        b", "      n: 1"],
        ),
        (
            {"type": "server_tool_use", "id": "t1", "name": "web_search", "input": {}},
            ["  → web_search  t1  (server_tool_use)"],
        ),
        (
            {"type": "tool_use", "id": "t1", "name": "Bash", "partial_json": '{"command":"ls -'},
            ["  → Bash  t1", "      command: ls -"],
        ),
        (
            {"type": "tool_use", "id": "t1", "name": "Bash", "partial_json": "ls"},
            ["  → Bash  t1", "      ls"],
        ),
        (
            {"type": "tool_result", "tool_use_id": "t0", "content": "out"},
            ["  ← Read  t0  ~1", "      out"],
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t0",
                "is_error": True,
                "content": [{"type": "text", "text": "no"}, {"type": "image", "source": PNG}],
            },
            ["  ← Read  t0  ERROR  ~8", "      no", "      ▣ image image/png 12 KB"],
        ),
        (
            {"type": "tool_result", "tool_use_id": "gone", "content": []},
            ["  ← result of a call not shown here  gone  ~0"],
        ),
        (
            {"type": "web_search_tool_result", "tool_use_id": "t0", "content": [{"url": "u"}]},
            ["  ← Read  t0  ~4", '      {"url": "u"}'],
        ),
        ({"type": "image", "source": PNG}, ["  ▣ image image/png 12 KB"]),
        ({"type": "image", "source": {"type": "url", "url": "https://a"}}, ["  ▣ image https://a"]),
        ({"type": "compaction", "content": "c"}, ["  ◇ compaction", "      content: c"]),
        ({}, ["  ◇ ?"]),
    ],
)
def test_lines(block: dict[str, Any], lines: list[str]) -> None:
    writer = blocks.Writer(full=False)
    writer.learn([{"type": "tool_use", "id": "t0", "name": "Read"}])
    assert writer.lines(block) == lines


def test_long_blocks_are_cut_except_in_the_full_view() -> None:
    long = "line\n" * 1000
    for block in (
        {"type": "text", "text": long},
        {"type": "tool_result", "tool_use_id": "t", "content": long},
        {"type": "tool_use", "id": "t", "name": "Write", "input": {"content": long}},
    ):
        assert len(blocks.Writer(full=False).lines(block)) <= blocks.TEXT_LINES + 3
        assert len(blocks.Writer(full=True).lines(block)) >= 1000


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"type": "text", "text": "a\n\n b"}, "a b"),
        ({"type": "text", "text": "x" * 100}, "x" * 39 + "…"),
        ({"type": "text", "text": "x" * 100, **CACHED}, "x" * 36 + "…  ◆"),
        ({"type": "thinking", "thinking": "Hm", "signature": "route:zai:"}, "~ zai: Hm"),
        ({"type": "thinking", "thinking": ""}, "~ no origin: (not shown)"),
        (
            {"type": "tool_use", "id": "t", "name": "Edit", "input": {"x": "y", "file_path": "/a"}},
            "→ Edit /a",
        ),
        ({"type": "tool_use", "id": "t", "name": "Odd", "input": {"x": [1]}}, '→ Odd {"x": [1]}'),
        ({"type": "tool_use", "id": "t", "name": "Odd", "partial_json": "{"}, "→ Odd {"),
        ({"type": "tool_result", "tool_use_id": "t0", "content": "out"}, "← Read out"),
        (
            {"type": "tool_result", "tool_use_id": "t0", "content": "out", "is_error": True},
            "← Read ERROR out",
        ),
        ({"type": "document", "source": {"type": "file"}}, "▣ document file"),
        ({"type": "container_upload"}, "◇ container_upload"),
    ],
)
def test_one_line(block: dict[str, Any], line: str) -> None:
    writer = blocks.Writer(full=False)
    writer.learn([{"type": "tool_use", "id": "t0", "name": "Read"}])
    assert writer.one_line(block, 40) == line


@pytest.mark.parametrize(
    ("partial", "value"),
    [
        ("{", {}),
        ('{"a', {"a": None}),
        ('{"a"', {"a": None}),
        ('{"a":', {"a": None}),
        ('{"a":"x', {"a": "x"}),
        ('{"a":"x\\', {"a": "x"}),
        ('{"a":"x\\\\', {"a": "x\\"}),
        ('{"a":"x\\u00', {"a": "x"}),
        ('{"a":"x\\ud83e', {"a": "x\ufffd"}),
        ('{"a":"[{', {"a": "[{"}),
        ('{"a":1', {"a": 1}),
        ('{"a":-', {"a": None}),
        ('{"a":tr', {"a": None}),
        ('{"a":true', {"a": True}),
        ('{"a":[1,', {"a": [1]}),
        ('{"a":[{"b":"c"}', {"a": [{"b": "c"}]}),
        ('{"a":1}', {"a": 1}),
        ("nonsense", None),
        ("}", None),
    ],
)
def test_completed(partial: str, value: Any) -> None:
    assert blocks.completed(partial) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=4), json_values, min_size=1, max_size=3), st.booleans())
def test_each_beginning_of_an_object_is_one(value: dict[str, Any], ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    for place in range(1, len(text) + 1):
        assert isinstance(blocks.completed(text[:place]), dict), text[:place]
    assert blocks.completed(text) == value


KEYS = (
    "type text thinking signature data id name input content source tool_use_id is_error "
    "cache_control media_type partial_json role tool_calls function arguments reasoning_content"
)
KINDS = "text thinking redacted_thinking tool_use tool_result image document server_tool_use tool"


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(KEYS.split()), json_values | st.sampled_from(KINDS.split()), max_size=6
    )
)
def test_never_raises(block: dict[str, Any]) -> None:
    for full in (True, False):
        writer = blocks.Writer(full=full)
        for each in (block, *chat_blocks.of_message(block)):
            assert all(isinstance(line, str) for line in writer.lines(each))
            assert "\n" not in writer.one_line(each, 80)
