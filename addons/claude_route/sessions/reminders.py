"""What Claude Code adds to a user's words: text in `<system-reminder>`, such as CLAUDE.md, skills that it has loaded, and
the commands that the user gave to Claude Code itself, with their output."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

OPEN, CLOSE = "<system-reminder>", "</system-reminder>"

SKILL = "Base directory for this skill:"
"""How a skill begins that the client has loaded, as if the user had written it."""


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


def first_words(text: str) -> str:
    """A text without its reminders, or the first reminder of one that has nothing else. Takes linear time."""
    words, reminders = split(text)
    return words or (reminders[0].strip() if reminders else "")


_SESSION = "<session>", "</session>"
_NOTIFICATION, _SUMMARY = "<task-notification>", ("<summary>", "</summary>")

_NAME, _ARGUMENTS, _BASH = "command-name", "command-args", "bash-input"

# As Claude Code 2.1 writes them.
_TAG = re.compile(
    rf"<({_NAME}|{_ARGUMENTS}|{_BASH}|command-message|command-contents|local-command-caveat"
    r"|local-command-stdout|local-command-stderr|bash-stdout|bash-stderr)>"
)


class Asked(NamedTuple):
    """What a user asks in a text."""

    words: str
    command: str
    """`/compact keep the names` or `! ls`: what the user had Claude Code itself do; empty if nothing."""


def asked(text: str) -> Asked:
    """The user's own words: without reminders and skills, without commands and their output, and out of a request for a
    title, which quotes them. Takes linear time.

    Where there are none because a task in the background has ended, the client's summary of that:
    `Agent "Look for tests" finished`.
    """
    words, found = split(text)
    if not words:
        return Asked(next(filter(None, map(_ended, found)), ""), "")
    if words.startswith(SKILL):
        return Asked("", "")
    start, end = map(words.find, _SESSION)
    if start == 0 and end > 0:
        words = words[len(_SESSION[0]) : end].strip()
    if not _TAG.search(words):
        return Asked(words, "")
    kept, tagged, unclosed, at, start = [], dict[str, str](), set[str](), 0, 0
    while tag := _TAG.search(words, start):
        start, name = tag.end(), tag[1]
        end = -1 if name in unclosed else words.find(f"</{name}>", start)
        if end < 0:
            unclosed.add(name)  # it isn't looked for again
            continue
        kept.append(words[at : tag.start()])
        tagged[name] = words[start:end].strip()
        at = start = end + len(f"</{name}>")
    kept.append(words[at:])
    command = f"{tagged.get(_NAME, '')} {tagged.get(_ARGUMENTS, '')}".strip()
    if _BASH in tagged:
        command = f"! {tagged[_BASH]}"
    return Asked("".join(kept).strip(), command)


def prompt(texts: Iterable[str]) -> str:
    """What the texts of one message ask: the user's words, or else the last command."""
    found = [asked(text) for text in texts]
    commands = [each.command for each in found if each.command]
    return " ".join(each.words for each in found if each.words) or (commands or [""])[-1]


def _ended(reminder: str) -> str:
    """What a notification says has ended; empty for another reminder."""
    _, _, notification = reminder.partition(_NOTIFICATION)
    _, _, begun = notification.partition(_SUMMARY[0])
    summary, closing, _ = begun.partition(_SUMMARY[1])
    return summary.strip() if closing else ""
