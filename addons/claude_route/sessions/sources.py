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
SUMMARY = "summary"
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

# As Claude Code 2 writes them.
_MEMORY = ("# claudeMd", "user instructions are shown below")
_MEMORY_FILE = "Contents of "
_SKILLS = "The following skills are available"
_CONTINUED = "This session is being continued from a previous conversation"
_APART, _ITEM = "\n\n", "- "


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
        return tuple(_shared_out(dict(_in_reminder(text)), tokens).items())
    return _of_words(text, tokens)


def _of_words(text: str, tokens: int) -> Sources:
    """A user's text, and the reminders in it, in proportion to their lengths."""
    parts = reminders.split(text)
    lengths: dict[str, int] = {}
    if parts.words or not parts.reminders:
        lengths[_of_prompt(parts.words)] = len(parts.words)
    for reminder in parts.reminders:
        for source, length in _in_reminder(reminder):
            lengths[source] = lengths.get(source, 0) + length
    return tuple(_shared_out(lengths, tokens).items())


def _of_prompt(words: str) -> str:
    """The client may have written what stands there as the user's."""
    if words.startswith(reminders.SKILL):
        return SKILLS
    return SUMMARY if words.startswith(_CONTINUED) else PROMPTS


def of_reminder(text: str) -> str:
    """What most of a reminder is about."""
    source, _ = max(_in_reminder(text), key=lambda part: part[1])
    return source


def _in_reminder(text: str) -> list[tuple[str, int]]:
    """The sources of a reminder with their lengths. The client puts the list of skills between others."""
    beginning = text[:_BEGINNING]
    if beginning.lstrip().startswith(_MEMORY_FILE) or any(mark in beginning for mark in _MEMORY):
        return [(MEMORY, len(text))]
    start = text.find(_SKILLS)
    if start < 0:
        return [(REMINDERS, len(text))]
    length = _end_of_list(text, start) - start
    rest = len(text) - length
    return [(SKILLS, length), *([(REMINDERS, rest)] if rest else [])]


def _end_of_list(text: str, start: int) -> int:
    """Where a heading and the list below it end. Takes linear time."""
    end = text.find(_APART, start)
    while end >= 0 and text.startswith(_ITEM, end + len(_APART)):
        end = text.find(_APART, end + len(_APART))
    return end if end >= 0 else len(text)


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
    if prompt:
        tokens = _shared_out(tokens, prompt)
    return dict(sorted(tokens.items(), key=lambda item: (-item[1], item[0])))


def _shared_out(weights: dict[str, int], whole: int) -> dict[str, int]:
    """`whole` in proportion to the weights. What is left of it after rounding down goes to those that lost most."""
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(weights, whole) if len(weights) == 1 else weights
    parts = {name: divmod(weight * whole, total) for name, weight in weights.items()}
    left = whole - sum(part for part, _ in parts.values())
    up = set(sorted(parts, key=lambda name: -parts[name][1])[:left])
    return {name: part + (name in up) for name, (part, _) in parts.items()}
