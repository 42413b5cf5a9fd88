from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.watch import prompts

REMINDER = {"type": "text", "text": "<system-reminder>CLAUDE.md</system-reminder>"}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "a.py"}
OTHER_RESULT = {"type": "tool_result", "tool_use_id": "t2", "content": "b.py"}
CALLS = {
    "role": "assistant",
    "content": [
        {"type": "text", "text": "Let me see"},
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}},
        {"type": "tool_use", "id": "t2", "name": "Read", "input": {}},
    ],
}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [*blocks]}


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([{"role": "user", "content": "Fix\n the parser"}], "Fix the parser"),
        ([user(REMINDER, text("Fix it"))], "Fix it"),
        ([user(text("Fix it")), {"role": "system", "content": "Be brief"}], "Fix it"),
        ([user(text("Fix it")), user(REMINDER)], "Fix it"),
        ([user(text("Old")), CALLS, user(RESULT, OTHER_RESULT)], "← Bash Read"),
        ([user(text("Old")), CALLS, user(RESULT), user(OTHER_RESULT)], "← Bash Read"),
        ([user(text("Old")), CALLS, user(RESULT, text("No, stop"))], "No, stop"),
        ([user(text("Old")), CALLS, user(RESULT, REMINDER)], "← Bash"),
        ([user(RESULT)], "←"),
        ([user(text("Old")), CALLS], ""),
        ([user(text("x" * 90))], "x" * 39 + "…"),
        ([user(text("<session>\nFix it\n</session>"))], "Fix it"),
        ([user(text("<command-name>/clear</command-name>"), text("Fix it"))], "Fix it"),
        ([user(text("<command-name>/compact</command-name>"))], "/compact"),
        ([user(text("Your task is to create a detailed summary of the work"))], "compaction"),
        ([user(text("a\u202eb\x1b[2J"))], "a\ufffdb\ufffd[2J"),
        ([], ""),
        ("text", ""),
        ([user(None, 7, {"type": "tool_result", "tool_use_id": {}})], "null 7"),
        ([{"content": "nobody's"}, 7], ""),
    ],
)
def test_what_a_request_asks(messages: Any, prompt: str) -> None:
    assert prompts.read(json.dumps({"model": "m", "messages": messages}).encode()) == prompt


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"[" * 100_000, b'{"messages": ['])
def test_what_is_no_request(body: bytes) -> None:
    assert prompts.read(body) == ""


def test_half_of_a_surrogate_pair() -> None:
    body = b'{"messages": [{"role": "user", "content": "Hi \\ud83e"}]}'
    assert prompts.read(body) == "Hi \ufffd"


def test_no_part_of_a_secret_is_left_before_the_cut() -> None:
    secret = "sk-of-somebody-" + "x" * 100
    body = {"messages": [{"role": "user", "content": f"Use the key {secret} please"}]}
    shown = prompts.read(json.dumps(body).encode(), lambda text: text.replace(secret, "***"))
    assert shown == "Use the key *** please"


def test_a_body_that_is_too_large_is_not_read() -> None:
    messages = [{"role": "user", "content": "x" * prompts.LARGE}, {"role": "user", "content": "Hi"}]
    assert prompts.read(json.dumps({"messages": messages}).encode()) == ""
