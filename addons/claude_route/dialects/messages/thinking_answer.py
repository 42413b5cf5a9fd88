"""Tags or removes the thinking in a provider's answer.

Events and blocks that need no change pass unchanged, as does anything that can't be parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson
from claude_route.wire import sse

_NOTHING_LEFT = "[No visible output]"

_Fields = dict[str, msgspec.Raw]

_EMPTY = msgspec.Raw(b"{}")


class _Event(msgspec.Struct):
    """An event about a content block. A field that is not of its kind may be anything."""

    index: int
    content_block: msgspec.Raw = _EMPTY
    delta: msgspec.Raw = _EMPTY


class Editor(Protocol):
    """Changes the thinking in a stream. Never raises."""

    @property
    def reads_text(self) -> bool:
        """Whether it has to see each delta now. Otherwise those with text need no change but of place."""

    def place(self, index: int) -> int | None:
        """The client's index of a block that has begun; None if it is removed."""

    def feed(self, event: sse.Event) -> bytes:
        """The event for the client; empty if it is removed."""


class Tagger:
    """Prefixes each signature with the provider's tag. A block without a signature gets only the tag.

    Claude Code keeps the last signature_delta of a block, so all of them are tagged.
    """

    reads_text = False

    def __init__(self, provider: str) -> None:
        self._tag = thinking.tag(provider)
        self._unsigned: set[int] = set()

    def place(self, index: int) -> int | None:
        return index

    def feed(self, event: sse.Event) -> bytes:
        """The event for the client. Never raises."""
        try:
            match event.name:
                case "content_block_start" if b"thinking" in event.data:
                    return self._start(event)
                case "content_block_delta" if b"signature_delta" in event.data:
                    return self._sign(event)
                case "content_block_stop" if self._unsigned:
                    return self._stop(event)
        except ValueError:
            pass
        return event.raw

    def _start(self, event: sse.Event) -> bytes:
        started = _event(event)
        block = rawjson.decode_mended(started.content_block, _Fields)
        kind = rawjson.text(block, "type")
        if kind == "thinking" and not rawjson.text(block, "signature"):
            self._unsigned.add(started.index)
        elif kind in thinking.KINDS:
            return _changed(event, content_block=_tagged(block, self._tag))
        return event.raw

    def _sign(self, event: sse.Event) -> bytes:
        signed = _event(event)
        delta = rawjson.decode_mended(signed.delta, _Fields)
        if rawjson.text(delta, "type") != "signature_delta":
            return event.raw
        self._unsigned.discard(signed.index)
        signature = self._tag + rawjson.text(delta, "signature")
        return _changed(event, delta=delta | {"signature": rawjson.encode(signature)})

    def _stop(self, event: sse.Event) -> bytes:
        index = _event(event).index
        if index not in self._unsigned:
            return event.raw
        self._unsigned.remove(index)
        delta = {"type": "signature_delta", "signature": self._tag}
        return _encode("content_block_delta", index=index, delta=delta) + event.raw


class Stripper:
    """Removes thinking blocks, and renumbers the others from 0."""

    reads_text = False

    def __init__(self) -> None:
        self._places: dict[int, int | None] = {}
        """The provider's index of a block -> the client's; None for a removed block."""
        self._kept = 0
        self._moves = False

    def place(self, index: int) -> int | None:
        return self._places.get(index, index)

    def feed(self, event: sse.Event) -> bytes:
        """The event for the client; empty if it is removed. Never raises."""
        try:
            match event.name:
                case "content_block_start":
                    self._start(_event(event))
                    return self._move(event)
                case "content_block_delta" | "content_block_stop" if self._moves:
                    return self._move(event)
                case "message_delta" | "message_stop":
                    return self._fill() + event.raw
        except ValueError:
            pass
        return event.raw

    def _start(self, started: _Event) -> None:
        place = None
        block = rawjson.decode_mended(started.content_block, _Fields)
        if rawjson.text(block, "type") not in thinking.KINDS:
            place = self._kept
            self._kept += 1
        self._places[started.index] = place
        self._moves = self._moves or place != started.index

    def _move(self, event: sse.Event) -> bytes:
        index = _event(event).index
        place = self._places.get(index, index)
        if place is None:
            return b""
        return event.raw if place == index else moved(event, place)

    def _fill(self) -> bytes:
        """A text block for an answer that contained only thinking, which Claude Code would request
        again."""
        if self._kept or not self._places:
            return b""
        self._kept = 1
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": _NOTHING_LEFT}
        return (
            _encode("content_block_start", index=0, content_block=block)
            + _encode("content_block_delta", index=0, delta=delta)
            + _encode("content_block_stop", index=0)
        )


def tag(answer: bytes, provider: str) -> bytes:
    """Like Tagger, for an answer that isn't streamed."""
    prefix = thinking.tag(provider)

    def tagged(blocks: list[_Fields]) -> list[_Fields]:
        return [
            _tagged(block, prefix) if rawjson.text(block, "type") in thinking.KINDS else block
            for block in blocks
        ]

    return _edited(answer, tagged)


def strip(answer: bytes) -> bytes:
    """Like Stripper, for an answer that isn't streamed."""
    nothing_left = {"type": rawjson.encode("text"), "text": rawjson.encode(_NOTHING_LEFT)}

    def stripped(blocks: list[_Fields]) -> list[_Fields]:
        kept = [block for block in blocks if rawjson.text(block, "type") not in thinking.KINDS]
        return kept if kept or not blocks else [nothing_left]

    return _edited(answer, stripped)


def _edited(answer: bytes, edit: Callable[[list[_Fields]], list[_Fields]]) -> bytes:
    if b"thinking" not in answer:
        return answer
    try:
        fields = rawjson.decode_mended(answer, _Fields)
        blocks = rawjson.decode(fields.get("content", rawjson.NULL), list[_Fields])
    except ValueError:
        return answer
    edited = edit(blocks)
    if edited == blocks:
        return answer
    return msgspec.json.encode(fields | {"content": rawjson.encode(edited)})


def _tagged(block: _Fields, prefix: str) -> _Fields:
    key = thinking.mark(rawjson.text(block, "type"))
    return block | {key: rawjson.encode(prefix + rawjson.text(block, key))}


def _event(event: sse.Event) -> _Event:
    return rawjson.decode_mended(event.data, _Event)


def _changed(event: sse.Event, **changes: object) -> bytes:
    fields = rawjson.decode_mended(event.data, _Fields)
    fields |= {key: rawjson.encode(value) for key, value in changes.items()}
    return sse.encode(event.name, msgspec.json.encode(fields))


def moved(event: sse.Event, index: int) -> bytes:
    """The event with another index."""
    if event.data.find(b"\\u") >= 0:
        # The text may end with half an emoji, whose other half is in the next event, so no other byte
        # may change.
        text = rawjson.mend(event.data)
        if place := rawjson.span(text, rawjson.decode(text, _Fields), "index"):
            start, end = place
            return sse.encode(event.name, b"%b%d%b" % (event.data[:start], index, event.data[end:]))
    return _changed(event, index=index)


def _encode(name: str, **fields: object) -> bytes:
    return sse.encode(name, msgspec.json.encode({"type": name, **fields}))
