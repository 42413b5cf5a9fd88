"""An answer put together from what there is of it: a stream as far as it came, or a whole body.

Messages and Chat Completions both; whichever it is, the blocks are those of Messages. Nothing here
raises: what can't be read is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any

import msgspec

from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.dialects.chat import calls
from claude_route.dialects.chat import completions
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


class _Event(msgspec.Struct):
    """An event of Messages, or what tells that it is none."""

    type: str = ""
    index: int = 0
    message: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    usage: Any = None
    choices: Any = None
    error: Any = None


_DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
    "compaction_delta": "content",
}
"""A delta's type: the field that holds what it adds to its block's field of the same name."""


class _Growing:
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
    """Puts a stream together."""

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._answer = Answer()
        self._blocks: list[_Growing] = []
        self._open: dict[int | calls.Call | str, _Growing] = {}
        """What still grows: in Messages by index, in Chat Completions `text`, `thinking`, calls."""
        self._calls = calls.Calls()

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
        if event.data.strip() == b"[DONE]":
            answer.complete = True
            return
        if event.name == "error":
            answer.error = _error(event.data)
            return
        try:
            known = self._read(rawjson.decode_mended(event.data, _Event), event)
        except ValueError:
            known = False
        answer.unread += not known

    def _begin(self, key: int | calls.Call | str, start: Block) -> _Growing:
        block = self._open[key] = _Growing(start)
        self._blocks.append(block)
        return block

    def _read(self, event: _Event, raw: sse.Event) -> bool:
        """Whether it is an event we know. Raises ValueError."""
        answer = self._answer
        match event.type or raw.name:
            case "error":
                answer.error = _error(raw.data)
            case "ping":
                answer.pings += 1
            case "message_start" if event.message is not None:
                _take_message(answer, event.message)
            case "content_block_start" if event.content_block is not None:
                self._begin(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None:
                return self._add(event.index, event.delta)
            case "content_block_stop":
                pass
            case "message_delta" if event.delta is not None:
                _take_message(answer, {**event.delta, "usage": event.usage})
            case "message_stop":
                answer.complete = True
            case _ if event.error is not None:
                answer.error = _error(raw.data)
            case _ if event.choices is not None:
                self._add_chunk(raw.data)
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

    def _add_chunk(self, data: bytes) -> None:
        answer = self._answer
        if not answer.model:
            fields = rawjson.decode_mended(data, dict[str, Any])
            answer.id = answer.id or _text(fields.get("id"))
            answer.model = _text(fields.get("model"))
        chunk = completions.read(data)
        if counted := completions.usage(chunk):
            answer.usage = usage.read(counted)
        for choice in chunk.choices or ():
            if choice.delta is not None:
                self._add_delta(choice.delta)
            answer.stop = choice.finish_reason or answer.stop

    def _add_delta(self, delta: completions.Delta) -> None:
        for piece in completions.pieces(delta):
            block = self._open.get(piece.kind)
            if block is None or block is not self._blocks[-1]:
                block = self._begin(piece.kind, {"type": piece.kind})
            block.add(piece.kind, piece.text)
        for part in completions.tool_calls(delta):
            call, text = self._calls.add(part)
            block = self._open.get(call) or self._begin(call, {"type": "tool_use", "input": {}})
            block.start |= {"id": call.id, "name": call.name}
            block.add("partial_json", text)


def stream(wire: bytes) -> Answer:
    """What a stream's bytes say."""
    fold = Fold()
    fold.feed(wire)
    return fold.answer()


def body(whole: bytes) -> Answer:
    """A whole answer: a message, a completion, or an error.

    Raises:
        ValueError: it is none of them.
    """
    fields = rawjson.decode_mended(whole, dict[str, Any])
    answer = Answer(complete=True)
    if fields.get("error") is not None or fields.get("type") == "error":
        answer.error = _error(whole)
    elif isinstance(fields.get("choices"), list):
        fold = Fold()
        fold._add_chunk(whole)
        for choice in completions.read(whole).choices or ():
            if choice.message is not None:
                fold._add_delta(choice.message)
        answer = fold.answer()
        answer.complete = True
    elif isinstance(fields.get("content"), list):
        _take_message(answer, fields)
        answer.blocks = [_block(block) for block in fields["content"]]
    else:
        raise ValueError("body: expected an answer, got something else")
    return answer


def _take_message(answer: Answer, fields: dict[str, Any]) -> None:
    answer.id = _text(fields.get("id")) or answer.id
    answer.model = _text(fields.get("model")) or answer.model
    answer.stop = _text(fields.get("stop_reason")) or answer.stop
    answer.stop_sequence = _text(fields.get("stop_sequence")) or answer.stop_sequence
    if isinstance(fields.get("usage"), dict):
        answer.usage = usage.read(fields["usage"], answer.usage or usage.NONE)


def _error(data: bytes) -> tuple[str, str]:
    fault = error_body.read(data)
    return fault.kind or fault.code or "error", fault.message


def _block(value: Any) -> Block:
    return value if isinstance(value, dict) else {"type": "?", "text": _text(value)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
