from __future__ import annotations

import pytest

from claude_route.sessions import sources
from claude_route.sessions import turns
from tests.unit.sessions import examples


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Read", "tools"),
        ("mcp__jira__search", "tools of jira"),
        ("mcp__jira", "tools"),
        ("mcp__my_server__a__b", "tools of my_server"),
    ],
)
def test_tools_by_server(name: str, source: str) -> None:
    assert sources.of_tool(name, 7) == ((source, 7),)


@pytest.mark.parametrize(
    ("role", "kind", "name", "text", "source"),
    [
        ("system", "text", "", "x", "system prompt"),
        ("user", "text", "", "x", "prompts"),
        ("user", "text", "", "<system-reminder>x</system-reminder>", "reminders"),
        (
            "user",
            "text",
            "",
            "<system-reminder>Contents of /a/CLAUDE.md</system-reminder>",
            "CLAUDE.md",
        ),
        ("user", "reminder", "", "The following skills are available", "skills"),
        ("user", "reminder", "", "# Environment", "reminders"),
        ("user", "image", "", "", "images and documents"),
        ("user", "tool_result", "Read", "x", "results of Read"),
        ("user", "tool_result", "", "x", "results of ?"),
        ("assistant", "text", "", "x", "answers"),
        ("assistant", "thinking", "", "x", "thinking"),
        ("assistant", "tool_use", "Read", "x", "calls"),
    ],
)
def test_blocks(role: turns.Role, kind: str, name: str, text: str, source: str) -> None:
    assert sources.of_block(role, kind, name, text, 9) == ((source, 9),)


def test_a_text_with_reminders_is_shared_out() -> None:
    text = "12345<system-reminder>" + "x" * 15 + "</system-reminder>"
    made = dict(sources.of_block("user", "text", "", text, 40))
    assert made == {"prompts": 10, "reminders": 30}


def test_the_estimates_add_up_to_what_was_counted() -> None:
    blocks = [
        examples.block("a", sources=(("tools", 30),)),
        examples.block("b", sources=(("prompts", 10),)),
        examples.block("c", sources=(("tools", 20),)),
    ]
    assert sources.fill(blocks) == {"tools": 50, "prompts": 10}
    assert sources.fill(blocks, 120) == {"tools": 100, "prompts": 20}
    assert sources.fill([], 120) == {}
