"""What fills a context window: tokens by where they come from."""

from __future__ import annotations

from collections.abc import Iterable

from claude_route.sessions import reminders
from claude_route.sessions import turns

type Sources = tuple[tuple[str, int], ...]

SYSTEM = "system prompt"
TOOLS = "tools"
MEMORY = "CLAUDE.md"
SKILLS = "skills"
REMINDERS = "reminders"
PROMPTS = "prompts"
ANSWERS = "answers"
THINKING = "thinking"
CALLS = "calls"
PICTURES = "images and documents"

RESULTS = "results of {}"
SERVER = "tools of {}"

_CONTENT = {"text": ANSWERS, "thinking": THINKING, "redacted_thinking": THINKING}
_PICTURES = ("image", "document")

_BEGINNING = 4000
"""Characters in which a reminder shows what it is."""


def of_tool(name: str, tokens: int) -> Sources:
    """A tool's definition: of an MCP server, or of the client itself."""
    return ((of_server(name), tokens),)


def of_server(name: str) -> str:
    """`tools of jira` for `mcp__jira__search`"""
    parts = name.split("__", 2)
    return SERVER.format(parts[1]) if len(parts) == 3 and parts[0] == "mcp" else TOOLS


def of_block(role: turns.Role, kind: str, name: str, text: str, tokens: int) -> Sources:
    """A block of the system prompt or of a message. `name`: the tool whose result it is."""
    if role == "system":
        return ((SYSTEM, tokens),)
    if kind in _PICTURES:
        return ((PICTURES, tokens),)
    if kind.endswith("tool_result"):
        return ((RESULTS.format(name or "?"), tokens),)
    if role == "assistant":
        return ((_CONTENT.get(kind, CALLS), tokens),)
    if kind == "reminder":
        return ((of_reminder(text), tokens),)
    return _of_words(text, tokens)


def _of_words(text: str, tokens: int) -> Sources:
    """A user's text, and the reminders in it, in proportion to their lengths."""
    parts = reminders.split(text)
    if not parts.reminders:
        return ((PROMPTS, tokens),)
    lengths: dict[str, int] = {}
    if parts.words:
        lengths[PROMPTS] = len(parts.words)
    for reminder in parts.reminders:
        source = of_reminder(reminder)
        lengths[source] = lengths.get(source, 0) + len(reminder)
    whole = max(sum(lengths.values()), 1)
    return tuple((source, tokens * length // whole) for source, length in lengths.items())


def of_reminder(text: str) -> str:
    """What a reminder is about."""
    beginning = text[:_BEGINNING]
    if "claudeMd" in beginning or "CLAUDE.md" in beginning:
        return MEMORY
    if "skills are available" in beginning or "Skill tool" in beginning:
        return SKILLS
    return REMINDERS


def fill(blocks: Iterable[turns.Block], prompt: int = 0) -> dict[str, int]:
    """Tokens by source, the largest first. `prompt`: how many there are by the provider's count, if it is
    known; the estimates are made to add up to it."""
    return scaled(estimates(blocks), prompt)


def estimates(blocks: Iterable[turns.Block]) -> dict[str, int]:
    """About how many tokens there are by source."""
    tokens: dict[str, int] = {}
    for block in blocks:
        for source, number in block.sources:
            tokens[source] = tokens.get(source, 0) + number
    return tokens


def scaled(tokens: dict[str, int], prompt: int) -> dict[str, int]:
    whole = sum(tokens.values())
    if prompt and whole:
        tokens = {source: round(number * prompt / whole) for source, number in tokens.items()}
    return dict(sorted(tokens.items(), key=lambda item: (-item[1], item[0])))
