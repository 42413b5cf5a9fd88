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
_NOTIFICATION, _SUMMARY = "<task-notification>", ("<summary>", "</summary>")


def prompt(text: str) -> str:
    """The user's own words: without reminders, and out of a request for a title, which quotes them.

    Where there are none because a task in the background has ended, the client's summary of that:
    `Agent "Look for tests" finished`.
    """
    words, found = split(text)
    if not words:
        return next(filter(None, map(_ended, found)), "")
    start, end = map(words.find, _SESSION)
    if start == 0 and end > 0:
        words = words[len(_SESSION[0]) : end].strip()
    return words


def _ended(reminder: str) -> str:
    """What a notification says has ended; empty for another reminder."""
    _, _, notification = reminder.partition(_NOTIFICATION)
    _, _, begun = notification.partition(_SUMMARY[0])
    summary, closing, _ = begun.partition(_SUMMARY[1])
    return summary.strip() if closing else ""
