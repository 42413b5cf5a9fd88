"""What a request is for, by what Claude Code writes into it."""

from __future__ import annotations

from claude_route.sessions import turns

TITLE = "You are naming a coding session"
COMPACTION = (
    "Your task is to create a detailed summary of",
    "tasked with summarizing conversations",
)
"""Whole sentences of the client's: people ask for detailed summaries too."""

CLASSIFIER = "You are a security monitor"
"""How auto mode's checks begin, those of Claude Code in two stages and those of this proxy."""


def kind(
    *,
    counts: bool,
    is_check: bool,
    agent: str,
    system: str,
    last: str,
    tools: int,
    is_session: bool,
    max_tokens: int,
) -> turns.Kind:
    """`system` and `last` are the beginnings of the system prompt and of the user's last words."""
    if counts:
        return "count"
    if is_check or (system.startswith(CLASSIFIER) and not tools):
        return "classifier"
    if TITLE in system:
        return "title"
    if compacts(system) or compacts(last):
        return "compaction"
    if agent:
        return "subagent"
    # A client of its own making may have neither a session nor tools; Claude Code's conversations have
    # both, and its probes and page summaries have no tools.
    is_probe = max_tokens == 1 or (is_session and not tools)
    return "other" if is_probe else "main"


def compacts(text: str) -> bool:
    """Whether a system prompt or a user's words ask for the summary that replaces a conversation."""
    return any(words in text for words in COMPACTION)
