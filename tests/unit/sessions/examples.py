"""Requests and turns of a session, as short as they can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from claude_route.dialects import usage
from claude_route.sessions import blocks
from claude_route.sessions import misses
from claude_route.sessions import tree
from claude_route.sessions import turns


def body(*messages: Any, **fields: Any) -> bytes:
    """A request; a message that is a string is the user's."""
    made = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages]
    return msgspec.json.encode({"model": "m", "messages": made, **fields})


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


def call(id: str = "toolu_1", name: str = "Bash", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": given}


def result(id: str, content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content}


CACHE = {"type": "ephemeral"}


def read(*messages: Any, **fields: Any) -> blocks.Reading:
    return blocks.read(body(*messages, **fields))


def block(label: str, role: turns.Role = "user", kind: str = "text", **fields: Any) -> turns.Block:
    made = {"label": label, "sources": (("prompts", 10),), **fields}
    return turns.Block(blocks.digest(role.encode(), label.encode()), role, kind, **made)


def blocks_of(names: str) -> tuple[turns.Block, ...]:
    """`t:a s:b u:c a:d`: a tool a, a system block b, a block c of the user, d of the assistant."""
    roles: dict[str, turns.Role] = {"t": "tools", "s": "system", "u": "user", "a": "assistant"}
    made = []
    for part in names.split():
        role, _, name = part.partition(":")
        fields = {"name": name} if role == "t" else {}
        made.append(block(name, roles[role], "tool" if role == "t" else "text", **fields))
    return tuple(made)


def turn(flow: str = "f1", at: float = 1000.0, **fields: Any) -> turns.Turn:
    made: dict[str, Any] = {
        "session": "s1",
        "kind": "main",
        "model": "claude-opus-5-5",
        "target": "anthropic/claude-opus-5-5",
        "used": usage.Usage(input=100, output=10),
        "seconds": 1.0,
        "ttl": 300,
        **fields,
    }
    return turns.Turn(flow=flow, at=at, **made)


def session(
    every: Iterable[turns.Turn], running: int = 0, dollars: misses.Dollars | None = None
) -> tree.Session:
    """The session of these turns, in any order; there is at least one."""
    growing = tree.Growing(dollars)
    for each in sorted(every, key=lambda turn: turn.at):
        growing.add(each)
    return growing.session(running)
