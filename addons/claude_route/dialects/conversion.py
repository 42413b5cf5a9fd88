"""Converts a Messages answer from one kind of body to the other: a whole one to a stream, and a stream to
a whole one.

Some providers stream whatever they are asked for, others never do. Claude Code discards an answer of the
other kind and repeats its request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from claude_route.dialects import emitter
from claude_route.dialects import fold
from claude_route.dialects.messages import fold as messages_fold
from claude_route.wire import rawjson
from claude_route.wire import sse

_START: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
_ENDING = ("stop_reason", "stop_sequence", "stop_details", "container")
"""The fields of an answer that a stream has at its end."""

_DELTAS = {
    "text": {"text": "text_delta"},
    "thinking": {"thinking": "thinking_delta", "signature": "signature_delta"},
    "compaction": {"content": "compaction_delta"},
}
"""Type of a block -> its fields that come in deltas, and the type of those."""


def streamed(answer: bytes) -> bytes:
    """The event stream for a whole answer.

    Raises:
        ValueError: it isn't one.
    """
    message = rawjson.decode_mended(answer, dict[str, Any])
    content = fold.listed(message.get("content"))
    counted = message.get("usage") or {}
    ending = {key: message[key] for key in _ENDING if key in message}
    start = {key: value for key, value in message.items() if key not in ending} | _START
    parts = [emitter.event("message_start", message=start)]
    for index, block in enumerate(content):
        parts += _block(index, block)
    parts.append(emitter.event("message_delta", delta=ending, usage=counted))
    parts.append(emitter.event("message_stop"))
    return b"".join(parts)


def _block(index: int, block: fold.Block) -> Iterator[bytes]:
    start = dict(block)
    deltas: list[dict[str, Any]] = []
    for key, kind in _DELTAS.get(fold.text(block.get("type")), {}).items():
        if value := fold.text(block.get(key)):
            start[key] = ""
            deltas.append({"type": kind, key: value})
    if isinstance(block.get("input"), dict):
        start["input"] = {}
        text = msgspec.json.encode(block["input"]).decode()
        deltas.append({"type": "input_json_delta", "partial_json": text})
    yield emitter.event("content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield emitter.event("content_block_delta", index=index, delta=delta)
    yield emitter.event("content_block_stop", index=index)


class Joiner(messages_fold.Fold):
    """Assembles the whole answer that a stream spells."""

    def __init__(self) -> None:
        super().__init__()
        self._message: dict[str, Any] = {}

    def _read(self, event: sse.Event) -> bool:
        fields = rawjson.decode_mended(event.data, dict[str, Any])
        match event.name:
            case "message_start":
                self._message = _object(fields.get("message"))
            case "message_delta":
                counted = _object(self._message.get("usage")) | _object(fields.get("usage"))
                self._message |= _object(fields.get("delta")) | {"usage": counted}
        return super()._read(event)

    def whole(self) -> bytes:
        """The answer, once all of it has arrived."""
        content = [_finished(block) for block in self.answer().blocks]
        return msgspec.json.encode(self._message | {"content": content})


def _object(value: Any) -> dict[str, Any]:
    """A copy of what should be an object; Anthropic's events come here as they are."""
    return dict(value) if isinstance(value, dict) else {}


def _finished(block: fold.Block) -> fold.Block:
    """A block without input that isn't JSON."""
    return {key: value for key, value in block.items() if key != "partial_json"}
