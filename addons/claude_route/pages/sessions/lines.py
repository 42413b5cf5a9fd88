"""A session as JSON lines: first what it is as a whole, then each turn, with its messages where they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import breath
from claude_route.sessions import report
from claude_route.sessions import tree


def of(shown: tree.Session, find: bodies.Find) -> bytes:
    made = []
    for line in _lines(shown, find):
        made.append(msgspec.json.encode(line) + b"\n")
        breath.take()
    return b"".join(made)


def _lines(shown: tree.Session, find: bodies.Find) -> Iterator[dict[str, Any]]:
    whole = report.whole(shown)
    turns, copies = whole.pop("turns"), whole.pop("copies")
    yield {"type": "session", **whole}
    for number, (entry, about) in enumerate(zip(shown.entries, turns, strict=True)):
        yield {"type": "turn", **about, **_content(entry, shown.entries[:number], find)}
    for copy, about in zip(shown.copies, copies, strict=True):
        yield {"type": "copy", **about, **_content(copy, (), find)}


def _content(
    entry: tree.Entry, earlier: tuple[tree.Entry, ...], find: bodies.Find
) -> dict[str, Any]:
    """What is new in the turn, and the answer."""
    kept = bodies.read(entry, find, earlier[::-1])
    made: dict[str, Any] = {}
    if kept.is_request_kept:
        made["new"] = [
            {"change": change.what, "role": change.block.role, "content": kept.value(change.block)}
            for change in entry.diff.changes
            if change.what != "removed"
        ]
    if kept.is_answer_kept:
        made["answer"] = list(kept.answer)
    return made
