"""What Claude Code adds to a user's words: text in `<system-reminder>`, such as CLAUDE.md."""

from __future__ import annotations

from typing import NamedTuple

OPEN, CLOSE = "<system-reminder>", "</system-reminder>"


class Parts(NamedTuple):
    words: str
    """What is outside reminders."""
    reminders: list[str]


def split(text: str) -> Parts:
    """Takes linear time. What isn't closed is no reminder."""
    if OPEN not in text:
        return Parts(text.strip(), [])
    words, reminders, at = [], [], 0
    while (start := text.find(OPEN, at)) >= 0 and (end := text.find(CLOSE, start)) >= 0:
        words.append(text[at:start])
        reminders.append(text[start + len(OPEN) : end])
        at = end + len(CLOSE)
    words.append(text[at:])
    return Parts("".join(words).strip(), reminders)


_SESSION = "<session>", "</session>"


def prompt(text: str) -> str:
    """The user's own words: without reminders, and out of a request for a title, which quotes them."""
    words = split(text).words
    start, end = map(words.find, _SESSION)
    if start == 0 and end > 0:
        words = words[len(_SESSION[0]) : end].strip()
    return words
