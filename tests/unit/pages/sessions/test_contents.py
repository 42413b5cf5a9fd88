from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.pages.sessions import contents
from claude_route.sessions import blocks
from claude_route.sessions import turns


def block(role: Any, kind: str, name: str = "", **more: Any) -> turns.Block:
    return turns.Block(b"12345678", role, kind, name, "its first words", **more)


TEXT = block("user", "text")


@pytest.mark.parametrize(
    ("shown", "value", "title", "sort", "text"),
    [
        (TEXT, {"text": "hello"}, "user", "user", "hello"),
        (block("system", "text"), {"text": "You are"}, "system", "system", "You are"),
        (block("assistant", "thinking"), {"thinking": "hm"}, "thinking", "thinking", "hm"),
        (block("tools", "tool", "Read"), {"description": "Reads."}, "Read", "tools", "Reads."),
        (block("assistant", "tool_use", "Read"), {"input": {"a": 1}}, "→ Read", "call", ""),
        (block("user", "tool_result", "Read"), {"content": "ok"}, "← Read", "result", "ok"),
        (
            block("user", "tool_result", "Bash"),
            {"content": "\x1b[32m\x1b[1m3 passed\x1b[0m in 2 s"},
            "← Bash",
            "result",
            "3 passed in 2 s",
        ),
        (
            block("user", "tool_result", is_error=True),
            {"content": [{"type": "text", "text": "no"}]},
            "← result",
            "failed-result",
            "no",
        ),
    ],
)
def test_show(shown: turns.Block, value: Any, title: str, sort: str, text: str) -> None:
    made = contents.show(shown, value, "3")
    assert (made.title, made.sort, made.text, made.is_kept) == (title, sort, text, True)


def test_thinking_that_is_not_shown_has_no_signature_on_the_page() -> None:
    hidden = {"type": "thinking", "thinking": "", "signature": "c2ln" * 60}
    made = contents.show(block("assistant", "thinking"), hidden, "3")
    assert (made.text, made.tree) == ("", None)


def test_what_is_not_kept() -> None:
    made = contents.show(TEXT, None, "3")
    assert (made.text, made.is_kept) == ("its first words", False)
    assert contents.plain(TEXT, None) == "its first words"


def test_a_reminder_that_is_not_kept() -> None:
    text = f"<system-reminder>Contents of CLAUDE.md: {'x' * 900}</system-reminder>"
    body = json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]})
    (block,) = blocks.read(body.encode()).blocks
    shown = contents.show(block, None, "0")
    assert shown.text == ""
    assert shown.reminders[0].source == "CLAUDE.md"
    assert shown.reminders[0].text.startswith("Contents of CLAUDE.md: xxx")


def test_reminders_are_apart() -> None:
    text = "<system-reminder>\nContents of CLAUDE.md</system-reminder>do it"
    made = contents.show(TEXT, {"text": text}, "3")
    assert made.text == "do it"
    assert made.reminders == (("CLAUDE.md", "Contents of CLAUDE.md"),)
    assert contents.plain(TEXT, {"text": text}) == text


def test_json_becomes_a_tree() -> None:
    result = block("user", "tool_result", "x")
    made = contents.show(result, {"content": '[{"a": 1}]'}, "3")
    assert made.text == ""
    assert made.tree
    assert made.tree.text == "1 item"
    assert contents.show(result, {"content": "{not json"}, "3").text == "{not json"
    assert contents.show(result, {"content": "7"}, "3").text == "7"


def test_long_texts_are_cut_but_copied_whole() -> None:
    made = contents.show(TEXT, {"text": "x" * 9000}, "3")
    assert (len(made.text), made.is_cut) == (contents.SHORT, True)
    assert len(contents.plain(TEXT, {"text": "x" * 9000})) == 9000


def test_bytes_of_pictures_are_left_out() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 5000}
    value = {"type": "image", "source": source}
    made = contents.show(block("user", "image"), value, "3")
    assert "5,000 characters" in str(made.tree)
    assert "AAAA" not in str(made.tree)
    assert "AAAA" not in contents.result([{"type": "image", "source": source}])


def test_a_call_as_text() -> None:
    call = block("assistant", "tool_use", "Read")
    assert contents.plain(call, {"input": {"a": 1}}) == '{\n  "a": 1\n}'
    assert contents.plain(call, {"input": {}, "partial_json": '{"a'}) == '{"a'
    with pytest.raises(ValueError):
        contents.pretty_text("{")
