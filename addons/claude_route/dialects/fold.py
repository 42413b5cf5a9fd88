"""Assembles an answer from the part of a stream that has arrived, or from a whole body.

In all dialects its blocks are those of Messages. Nothing here raises: events that can't be parsed are
counted.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.wire import rawjson
from claude_route.wire import sse

type Block = dict[str, Any]


@dataclass
class Answer:
    """An answer, as far as it has arrived."""

    id: str = ""
    model: str = ""
    blocks: list[Block] = field(default_factory=list)
    """A tool_use block whose input is incomplete or isn't JSON has it as `partial_json`."""
    stop: str = ""
    """stop_reason, or finish_reason."""
    stop_sequence: str = ""
    usage: usage.Usage | None = None
    cache_miss_reason: str = ""
    """Anthropic's own diagnosis, if the request asked for one: why its prompt cache missed."""
    error: tuple[str, str] | None = None
    """Type and message."""
    complete: bool = False
    """Whether the whole answer has arrived. Only meaningful without an error."""
    events: int = 0
    """0 if the body isn't a stream."""
    pings: int = 0
    unread: int = 0
    """The number of events that are unknown or malformed."""


class Growing:
    """A block that is still growing: its start, and the pieces of its texts so far."""

    def __init__(self, start: Block) -> None:
        self.start = start
        self.pieces: dict[str, list[str]] = {}

    def add(self, key: str, text: str) -> None:
        self.pieces.setdefault(key, []).append(text)

    def value(self) -> Block:
        block = dict(self.start)
        for key, pieces in self.pieces.items():
            before = block.get(key)
            block[key] = (before if isinstance(before, str) else "") + "".join(pieces)
        partial = block.pop("partial_json", None)
        if isinstance(partial, str) and partial.strip():
            try:
                block["input"] = rawjson.decode_mended(partial.encode(), dict[str, Any])
            except ValueError:
                block["partial_json"] = partial
        return block


class Fold:
    """Assembles a stream. Each dialect has a subclass that reads its events."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._answer = Answer()
        self._blocks: list[Growing] = []
        self._open: dict[Hashable, Growing] = {}
        """The growing blocks, by the dialect's own keys."""

    @classmethod
    def of_stream(cls, wire: bytes) -> Answer:
        """The answer in a stream, as far as it has arrived."""
        folding = cls()
        folding.feed(wire)
        return folding.answer()

    def feed(self, wire: bytes) -> None:
        for event in self._decoder.feed(wire):
            self._take(event)

    def answer(self) -> Answer:
        """The answer so far."""
        self._answer.blocks = [block.value() for block in self._blocks]
        return self._answer

    def _take(self, event: sse.Event) -> None:
        answer = self._answer
        if not event.data:
            return
        answer.events += 1
        if event.name == "error":
            answer.error = error(event.data)
            return
        try:
            is_known = self._read(event)
        except ValueError:
            is_known = False
        answer.unread += not is_known

    def _read(self, event: sse.Event) -> bool:
        """Read an event. Returns whether it is known. Raises ValueError if it is malformed."""
        raise NotImplementedError

    def _begin(self, key: Hashable, start: Block) -> Growing:
        block = self._open[key] = Growing(start)
        self._blocks.append(block)
        return block


def listed(content: Any) -> list[Block]:
    """The blocks of a message's content, or of `system`: a string or an array of blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return []
    return [block if isinstance(block, dict) else text_block(block) for block in content]


def text_block(value: Any) -> Block:
    """A text block for a value that should have been a block."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return {"type": "text", "text": value}


def error(data: bytes) -> tuple[str, str]:
    """An error's type, or else its code, and its message."""
    fault = error_body.read(data)
    return fault.kind or fault.code or "error", fault.message


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""
