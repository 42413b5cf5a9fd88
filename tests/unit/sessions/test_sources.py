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
        (
            "user",
            "text",
            "",
            "<system-reminder>\nCodebase and user instructions are shown below.</system-reminder>",
            "CLAUDE.md",
        ),
        (
            "user",
            "text",
            "",
            "<system-reminder>Attribution for commits. A rule of CLAUDE.md takes precedence."
            "</system-reminder>",
            "reminders",
        ),
        ("user", "text", "", "Base directory for this skill: /a\n\nBake it.", "skills"),
        ("user", "text", "", "Where is the base directory for this skill: /a?", "prompts"),
        (
            "user",
            "text",
            "",
            "This session is being continued from a previous conversation that ran out of context.",
            "summary",
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


SKILLS = """The following skills are available for use with the Skill tool:

- bake: How to bake
even at night

- fry: How to fry"""
OTHER = "# Environment\nLinux"


@pytest.mark.parametrize(
    "text",
    [
        f"{OTHER}\n\n{SKILLS}\n\nToday's date is 2026-11-29.",
        f"{OTHER * 1000}\n\n{SKILLS}\n\n# auto mode",
        SKILLS,
        f"{SKILLS}\n\n{OTHER}",
    ],
)
def test_a_reminder_with_skills_and_others(text: str) -> None:
    """The client's message in the middle of a conversation has all that it adds to it."""
    made = dict(sources.of_block("user", "reminder", "", text, len(text)))
    assert made.pop("skills") == len(SKILLS)
    assert made == ({"reminders": len(text) - len(SKILLS)} if text != SKILLS else {})


def test_parts_add_up_to_the_block() -> None:
    text = (
        "1234567<system-reminder>xxx</system-reminder><system-reminder># claudeMd</system-reminder>"
    )
    for tokens in range(50):
        made = sources.of_block("user", "text", "", text, tokens)
        assert sum(part for _, part in made) == tokens


def test_shares_add_up_to_what_was_counted() -> None:
    for whole in range(200):
        made = sources.scaled({"tools": 333, "prompts": 333, "calls": 333, "answers": 1}, whole)
        assert sum(made.values()) == (whole or 1000)


def test_the_estimates_add_up_to_what_was_counted() -> None:
    blocks = [
        examples.block("a", sources=(("tools", 30),)),
        examples.block("b", sources=(("prompts", 10),)),
        examples.block("c", sources=(("tools", 20),)),
    ]
    assert sources.fill(blocks) == {"tools": 50, "prompts": 10}
    assert sources.fill(blocks, 120) == {"tools": 100, "prompts": 20}
    assert sources.fill([], 120) == {}
