"""Searches what was asked, answered, called and returned in all sessions.

A turn keeps the words that are new in it, compressed, so that a search needs no bodies.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

from claude_route.sessions import turns

MAX_WORDS = 16_000
"""Characters kept of a turn: a long result of a tool is cut."""

MAX_PART = 4000
"""Characters kept of one block."""

MAX_HITS = 200

MAX_QUERY = 12
"""Words of a query. Others have to wait while it is searched for."""

MAX_WORD = 60
"""Characters of one: some take Python the product of their length and the text's."""

AROUND = 60
"""Characters shown on each side of a hit."""


class Hit(NamedTuple):
    session: str
    flow: str
    at: float
    before: str
    """What stands before the first word."""
    match: str
    after: str


def pack(parts: Iterable[str]) -> bytes:
    """What a turn keeps for a search."""
    kept, room = [], MAX_WORDS
    for part in parts:
        if room <= 0:
            break
        kept.append(part[: min(MAX_PART, room)])
        room -= len(kept[-1])
    text = "\n".join(filter(None, kept))
    return zlib.compress(text.encode("utf-8", "replace"), 1) if text else b""


def unpack(words: bytes) -> str:
    return zlib.decompress(words).decode() if words else ""


def find(query: str, searched: Iterable[turns.Turn]) -> list[Hit]:
    """The turns that have all words of the query, upper or lower case."""
    words = _words(query)
    hits: list[Hit] = []
    if not words:
        return hits
    for turn in searched:
        text = unpack(turn.words)
        folded = text.casefold()
        if all(word in folded for word in words):
            hits.append(_hit(turn, text, folded, words[0]))
            if len(hits) == MAX_HITS:
                break
    return hits


def _words(query: str) -> list[str]:
    """Those that are looked for: what is beyond the limits isn't."""
    words = dict.fromkeys(query[: MAX_QUERY * MAX_WORD].casefold().split())
    return [word[:MAX_WORD] for word in words][:MAX_QUERY]


def _hit(turn: turns.Turn, text: str, folded: str, word: str) -> Hit:
    at = folded.index(word)
    if len(folded) != len(text):  # casefold made some character longer, so places differ
        text = folded
    end = at + len(word)
    return Hit(
        turn.session,
        turn.flow,
        turn.at,
        text[max(0, at - AROUND) : at],
        text[at:end],
        text[end : end + AROUND],
    )
