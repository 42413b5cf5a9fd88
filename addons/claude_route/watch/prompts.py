"""What a request asks, in its first words, for the list of flows.

Only the end of the conversation is read, and of a body that is larger than usual nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from claude_route.dialects import fold
from claude_route.sessions import kinds
from claude_route.sessions import reminders
from claude_route.text import layout
from claude_route.wire import rawjson

WIDTH = 40
"""Characters of a prompt that the list shows."""

READ = 2000
"""Characters among which secrets are looked for: more than the longest secret and those shown."""

COMPACTION = "compaction"
"""In place of the client's long request for a summary of the conversation."""

LARGE = 4 * 1024 * 1024
"""Bytes. To find the end of a conversation of that size takes 5 ms, in which all others wait."""

MOST = 20
"""Messages from the end among which the user's last words are looked for."""


class _Body(msgspec.Struct):
    messages: list[msgspec.Raw] = []


class _Message(msgspec.Struct):
    role: Any = None
    content: Any = None


def read(body: bytes, hide: Callable[[str], str] = str) -> str:
    """The beginning of the user's last words, without reminders; `← Bash` if the request has only
    results of tools; empty if there is neither. `hide` takes secrets out, of which a part would be left
    if it came after the cut."""
    if len(body) > LARGE:
        return ""
    try:
        messages = rawjson.decode_mended(body, _Body).messages
        return layout.one_line(hide(_prompt(messages[-MOST:])[:READ]), WIDTH)
    except ValueError:
        return ""


def _prompt(messages: list[msgspec.Raw]) -> str:
    """Raises:
    ValueError: a message isn't one.
    """
    results: list[str] = []
    for raw in reversed(messages):
        message = rawjson.decode_mended(raw, _Message)
        blocks = fold.listed(message.content)
        if message.role == "assistant":
            # What came before it was asked earlier.
            return _answered(blocks, results)
        if message.role != "user":
            continue  # in the middle of a conversation, the system may follow the user
        texts = [text for block in blocks if isinstance(text := block.get("text"), str)]
        if words := reminders.prompt(texts):
            return COMPACTION if kinds.compacts(words) else words
        results = [
            call
            for block in blocks
            if block.get("type") == "tool_result"
            and isinstance(call := block.get("tool_use_id"), str)
        ] + results
    return _answered([], results)


def _answered(blocks: list[fold.Block], results: list[str]) -> str:
    """`← Bash Read`: the tools whose results a request has. `blocks` are those of the answer before."""
    if not results:
        return ""
    calls = {block.get("id"): block.get("name") for block in blocks if _is_text(block.get("id"))}
    names = dict.fromkeys(name for call in results if _is_text(name := calls.get(call)))
    return " ".join(["←", *(str(name) for name in names)])


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
