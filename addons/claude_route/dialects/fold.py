"""An answer put together from what there is of it: a stream as far as it came, or a whole body.

Whatever the dialect, its blocks are those of Messages. Nothing here raises: what can't be read is
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
    """What is known of an answer."""

    id: str = ""
    model: str = ""
    blocks: list[Block] = field(default_factory=list)
    """A tool_use block whose input isn't JSON, or not yet, has what there is as `partial_json`."""
    stop: str = ""
    """stop_reason, or finish_reason."""
    stop_sequence: str = ""
    usage: usage.Usage | None = None
    error: tuple[str, str] | None = None
    """Type and message."""
    complete: bool = False
    """Nothing is to come any more, if it isn't an error."""
    events: int = 0
    """None in a body that isn't a stream."""
    pings: int = 0
    unread: int = 0
    """Events that are none we know of, or not of the right form."""


class Growing:
    """A block, and the pieces of its texts so far."""

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
    """Puts a stream together; each dialect reads its events."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._answer = Answer()
        self._blocks: list[Growing] = []
        self._open: dict[Hashable, Growing] = {}
        """What still grows, by whatever the dialect knows it by."""

    def feed(self, wire: bytes) -> None:
        for event in self._decoder.feed(wire):
            self._take(event)

    def answer(self) -> Answer:
        """What has come so far."""
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
        """Whether it is an event we know. Raises ValueError."""
        raise NotImplementedError

    def _begin(self, key: Hashable, start: Block) -> Growing:
        block = self._open[key] = Growing(start)
        self._blocks.append(block)
        return block


def listed(content: Any) -> list[Block]:
    """A message's content, or system: a string or an array of blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return []
    return [block if isinstance(block, dict) else text_block(block) for block in content]


def text_block(value: Any) -> Block:
    """A block out of what should have been one."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return {"type": "text", "text": value}


def error(data: bytes) -> tuple[str, str]:
    """An error's type, or the code that stands for it, and its message."""
    fault = error_body.read(data)
    return fault.kind or fault.code or "error", fault.message


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""
