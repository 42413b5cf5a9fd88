from __future__ import annotations

from collections.abc import Callable

import pytest

from claude_route.sessions import reminders
from tests import growth


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("hello", "hello", []),
        ("<system-reminder>a</system-reminder>", "", ["a"]),
        (
            "<system-reminder>a</system-reminder>\nhi <system-reminder>b</system-reminder>",
            "hi",
            ["a", "b"],
        ),
        ("hi <system-reminder>not closed", "hi <system-reminder>not closed", []),
        ("</system-reminder>hi", "</system-reminder>hi", []),
    ],
)
def test_words_are_what_is_outside_reminders(text: str, words: str, found: list[str]) -> None:
    assert reminders.split(text) == (words, found)


def test_first_words() -> None:
    reminder = "<system-reminder>\nThe date is …\n</system-reminder>"
    assert reminders.first_words(f"{reminder}\nhello") == "hello"
    assert reminders.first_words(f"{reminder}{reminder}") == "The date is …"
    assert reminders.first_words(" ") == ""


def test_a_title_quotes_the_users_words() -> None:
    asked = "<session>\nfix the shop\n</session>\n\nWrite the title in English."
    assert reminders.prompt([asked]) == "fix the shop"
    assert reminders.prompt(["see <session>x</session>"]) == "see <session>x</session>"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (
            "<system-reminder>\n[SYSTEM NOTIFICATION - NOT USER INPUT]\n<task-notification>\n"
            '<status>completed</status>\n<summary>Agent "Look" finished</summary>\n'
            "<result>ok</result>\n</task-notification>\n</system-reminder>",
            'Agent "Look" finished',
        ),
        (
            "<system-reminder><task-notification><summary>x</summary></task-notification>"
            "</system-reminder>go on",
            "go on",
        ),
        ("<system-reminder><summary>x</summary></system-reminder>", ""),
        ("<system-reminder><task-notification><summary>x</system-reminder>", ""),
    ],
)
def test_a_task_that_ends_asks_with_its_summary(text: str, asked: str) -> None:
    assert reminders.prompt([text]) == asked


@pytest.mark.parametrize(
    "read",
    [
        lambda n: reminders.split(reminders.OPEN * 2 * n),
        lambda n: reminders.split(reminders.CLOSE * n + reminders.OPEN * n),
        lambda n: reminders.asked("<command-name>" * 2 * n),
        lambda n: reminders.asked("<command-name><bash-input>" * n + "</bash-input>" * n),
        lambda n: reminders.asked("<command-name>x</command-name>" * n),
    ],
)
def test_many_that_are_not_closed_take_linear_time(read: Callable[[int], object]) -> None:
    assert growth.of(read, 12_500) < growth.LINEAR


CLEAR = (
    "<command-name>/clear</command-name>\n            <command-message>clear</command-message>\n"
    "            <command-args></command-args>"
)
STDOUT = "<local-command-stdout>Compacted</local-command-stdout>"
CAVEAT = "<local-command-caveat>Caveat: the messages below were made by local commands.</local-command-caveat>"


@pytest.mark.parametrize(
    ("texts", "prompt"),
    [
        ([CLEAR], "/clear"),
        ([CAVEAT, CLEAR, STDOUT], "/clear"),
        ([CAVEAT, CLEAR, STDOUT, "fix the shop"], "fix the shop"),
        ([f"{CLEAR}{STDOUT}\nfix the shop"], "fix the shop"),
        (
            ["<command-name>/compact</command-name><command-args>short</command-args>"],
            "/compact short",
        ),
        (["<bash-input>ls -l</bash-input>", "<bash-stdout>a.py</bash-stdout>"], "! ls -l"),
        ([STDOUT], ""),
        (["see <command-name>/clear", "and this"], "see <command-name>/clear and this"),
        (["a", "<system-reminder>x</system-reminder>", "b"], "a b"),
        (["Base directory for this skill: /skills/bake\n\nBake it at 180 degrees."], ""),
        (
            ["What is the Base directory for this skill: bake?"],
            "What is the Base directory for this skill: bake?",
        ),
        ([f"<system-reminder>{CLEAR}</system-reminder>b"], "b"),
    ],
)
def test_commands_are_no_words(texts: list[str], prompt: str) -> None:
    assert reminders.prompt(texts) == prompt
