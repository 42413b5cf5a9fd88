"""How deep blocks may be within blocks.

Each level is decoded for itself, because most never are. Without a limit, a text within a thousand results
of tools would be read a thousand times.
"""

from __future__ import annotations

MOST = 4
"""Anthropic takes three: the blocks of a message, those of a tool's result, and those of a document there."""


def check(level: int) -> None:
    """Raises:
    ValueError: blocks are on this level, of which the first is that of a message.
    """
    if level > MOST:
        raise ValueError(f"messages: expected at most {MOST} levels of blocks, got more")
