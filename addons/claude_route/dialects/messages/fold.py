"""Assembles a Messages answer."""

from __future__ import annotations

from typing import Any

import msgspec

from claude_route.dialects import fold
from claude_route.dialects import usage
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import rawjson
from claude_route.wire import sse


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    usage: Any = None
    error: Any = None


_DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
    "compaction_delta": "content",
}
"""Delta type -> its field with the added text, which is also the block's field."""


class Fold(fold.Fold):
    """Assembles a stream. The keys of blocks are their indexes."""

    def _read(self, event: sse.Event) -> bool:
        fields = rawjson.decode_mended(event.data, _Event)
        answer = self._answer
        match fields.type or event.name:
            case "error":
                answer.error = fold.error(event.data)
            case "ping":
                answer.pings += 1
            case "message_start" if fields.message is not None:
                _take_message(answer, fields.message)
            case "content_block_start" if fields.content_block is not None:
                self._begin(fields.index, fields.content_block)
            case "content_block_delta" if fields.delta is not None:
                return self._add(fields.index, fields.delta)
            case "content_block_stop":
                pass
            case "message_delta" if fields.delta is not None:
                _take_message(answer, {**fields.delta, "usage": fields.usage})
            case "message_stop":
                answer.complete = True
            case _ if fields.error is not None:
                answer.error = fold.error(event.data)
            case _:
                return False
        return True

    def _add(self, index: int, delta: dict[str, Any]) -> bool:
        kind = delta.get("type")
        block = self._open.get(index) or self._begin(index, {"type": "?"})
        if kind == "citations_delta":
            cited = block.start.get("citations")
            before = cited if isinstance(cited, list) else []
            block.start["citations"] = [*before, delta.get("citation")]
            return True
        key = _DELTAS.get(kind) if isinstance(kind, str) else None
        text = delta.get(key) if key else None
        if key is None or not isinstance(text, str):
            return False
        block.add(key, text)
        return True


stream = Fold.of_stream


def body(whole: bytes) -> fold.Answer:
    """The answer in a whole body: a message or an error.

    Raises:
        ValueError: it is neither.
    """
    fields = rawjson.decode_mended(whole, dict[str, Any])
    answer = fold.Answer(complete=True)
    if fields.get("error") is not None or fields.get("type") == "error":
        answer.error = fold.error(whole)
    elif isinstance(fields.get("content"), list):
        _take_message(answer, fields)
        answer.blocks = [_block(block) for block in fields["content"]]
    else:
        raise ValueError("body: expected an answer, got something else")
    return answer


def _take_message(answer: fold.Answer, fields: dict[str, Any]) -> None:
    answer.id = fold.text(fields.get("id")) or answer.id
    answer.model = fold.text(fields.get("model")) or answer.model
    answer.stop = fold.text(fields.get("stop_reason")) or answer.stop
    answer.stop_sequence = fold.text(fields.get("stop_sequence")) or answer.stop_sequence
    if isinstance(diagnostics := fields.get("diagnostics"), dict):
        answer.cache_miss_reason = _reason(diagnostics.get("cache_miss_reason"))
    if isinstance(fields.get("usage"), dict):
        answer.usage = messages_usage.read(fields["usage"], answer.usage or usage.NONE)


def _reason(value: Any) -> str:
    """A string, or an object with a type."""
    return fold.text(value.get("type") if isinstance(value, dict) else value)[:200]


def _block(value: Any) -> fold.Block:
    return value if isinstance(value, dict) else {"type": "?", "text": fold.text(value)}
