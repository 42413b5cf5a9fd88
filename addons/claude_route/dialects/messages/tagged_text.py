"""Takes reasoning in tags, with which the text of an answer begins, for thinking."""

from __future__ import annotations

from typing import Any

from claude_route.dialects import emitter
from claude_route.dialects import think_tags
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking_answer
from claude_route.wire import rawjson
from claude_route.wire import sse


class Editor:
    """Implements `thinking_answer.Editor`, for a stream in Anthropic's form: only its first block may
    begin with a tag, and the blocks after it move by one place."""

    def __init__(self) -> None:
        self.reads_text = True
        """Whether a tag may come still, or the text of the first block is split."""
        self._splitter = think_tags.Splitter()
        self._start = b""
        """The first block's event, as long as it isn't clear what it is."""
        self._kinds: list[str] = []
        """The blocks that the first one has become."""
        self._is_first = False

    @property
    def _moved(self) -> int:
        """By how many places blocks have moved."""
        return max(0, len(self._kinds) - 1)

    def place(self, index: int) -> int | None:
        return index + self._moved

    def feed(self, event: sse.Event) -> bytes:
        """The event for the client. Never raises."""
        if (not self.reads_text and not self._moved) or not event.name.startswith("content_block_"):
            return event.raw
        try:
            return self._edited(event, rawjson.decode_mended(event.data, dict[str, Any]))
        except ValueError:
            return event.raw

    def _edited(self, event: sse.Event, fields: dict[str, Any]) -> bytes:
        index = fields["index"]
        if index == 0 and event.name == "content_block_start":
            self._is_first = fields["content_block"].get("type") == "text"
            self.reads_text = self._is_first
            self._start = event.raw
            return b"" if self._is_first else event.raw
        if index == 0 and self._is_first:
            delta = fields.get("delta")
            if delta is None:
                return self._ended(event)
            if delta.get("type") == "text_delta":
                return b"".join(map(self._piece, self._splitter.feed(delta["text"])))
            return thinking_answer.moved(event, self._moved)
        return thinking_answer.moved(event, index + self._moved) if self._moved else event.raw

    def _piece(self, piece: think_tags.Piece) -> bytes:
        out = b"" if self._kinds[-1:] == [piece.kind] else self._begin(piece.kind)
        delta = {"type": f"{piece.kind}_delta", piece.kind: piece.text}
        return out + emitter.event("content_block_delta", index=len(self._kinds) - 1, delta=delta)

    def _begin(self, kind: str) -> bytes:
        out = b""
        if self._kinds:
            out = emitter.event("content_block_stop", index=len(self._kinds) - 1)
        self._kinds.append(kind)
        if self._kinds == ["text"]:
            # No tag: from here on all events pass unchanged.
            self.reads_text = False
            return self._start
        block = {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
        index = len(self._kinds) - 1
        return out + emitter.event("content_block_start", index=index, content_block=block)

    def _ended(self, event: sse.Event) -> bytes:
        out = b"".join(map(self._piece, self._splitter.end()))
        if not self._kinds:
            out = self._begin("text")
        self._is_first = False
        last = len(self._kinds) - 1
        self.reads_text = False
        return out + (event.raw if last == 0 else thinking_answer.moved(event, last))


class Chain:
    """Two editors, one after the other."""

    def __init__(self, first: thinking_answer.Editor, then: thinking_answer.Editor) -> None:
        self._first, self._then = first, then

    @property
    def reads_text(self) -> bool:
        return self._first.reads_text or self._then.reads_text

    def place(self, index: int) -> int | None:
        place = self._first.place(index)
        return None if place is None else self._then.place(place)

    def feed(self, event: sse.Event) -> bytes:
        out = self._first.feed(event)
        return b"".join(map(self._then.feed, sse.Decoder().feed(out))) if out else b""


def split(answer: bytes) -> bytes:
    """Like Editor, for an answer that isn't streamed."""
    if b"<think" not in answer:
        return answer
    fields = rawjson.decode_mended(answer, dict[str, Any])
    content = fields["content"]
    if not content or content[0].get("type") != "text":
        return answer
    splitter = think_tags.Splitter()
    pieces = [*splitter.feed(content[0]["text"]), *splitter.end()]
    thought = "".join(piece.text for piece in pieces if piece.kind == "thinking")
    text = "".join(piece.text for piece in pieces if piece.kind == "text")
    if text == content[0]["text"]:
        return answer
    blocks = [{"type": "thinking", "thinking": thought, "signature": ""}] if thought else []
    blocks += [content[0] | {"text": text}] if text else []
    kept = blocks + content[1:] or [{"type": "text", "text": requests.EMPTY}]
    return bytes(rawjson.encode(fields | {"content": kept}))
