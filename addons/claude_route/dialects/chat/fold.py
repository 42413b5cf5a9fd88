"""Assembles a Chat Completions answer, as Messages blocks."""

from __future__ import annotations

from typing import Any

from claude_route.dialects import fold
from claude_route.dialects.chat import calls
from claude_route.dialects.chat import completions
from claude_route.dialects.chat import streams
from claude_route.wire import rawjson
from claude_route.wire import sse


class Fold(fold.Fold):
    """Assembles a stream. The keys of blocks are `text`, `thinking`, or the call."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = calls.Calls()

    def _read(self, event: sse.Event) -> bool:
        if event.data.strip() == streams.DONE:
            self._answer.complete = True
            return True
        chunk = completions.read(event.data)
        if chunk.error is not None or chunk.type == "error":
            self._answer.error = fold.error(event.data)
        elif "ping" in (chunk.type, event.name):
            self._answer.pings += 1
        elif chunk.choices is not None:
            self._read_header(event.data, chunk)
            for choice in chunk.choices:
                if choice.delta is not None:
                    self._add(choice.delta)
        else:
            return False
        return True

    def whole(self, body: bytes) -> None:
        """Read a completion that isn't streamed. Raises ValueError if it is malformed."""
        completion = completions.read(body)
        self._read_header(body, completion)
        for choice in completion.choices or ():
            if choice.message is not None:
                self._add(choice.message)
        self._answer.complete = True

    def _read_header(self, data: bytes, completion: completions.Completion) -> None:
        answer = self._answer
        if not answer.model:
            fields = rawjson.decode_mended(data, dict[str, Any])
            answer.id = answer.id or fold.text(fields.get("id"))
            answer.model = fold.text(fields.get("model"))
        answer.usage = completions.counted(completion) or answer.usage
        for choice in completion.choices or ():
            answer.stop = choice.finish_reason or answer.stop

    def _add(self, delta: completions.Delta) -> None:
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


stream = Fold.of_stream


def body(whole: bytes) -> fold.Answer:
    """The answer in a whole body: a completion or an error.

    Raises:
        ValueError: it is neither.
    """
    fields = rawjson.decode_mended(whole, dict[str, Any])
    if fields.get("error") is not None:
        return fold.Answer(error=fold.error(whole), complete=True)
    if not isinstance(fields.get("choices"), list):
        raise ValueError("body: expected an answer, got something else")
    folding = Fold()
    folding.whole(whole)
    return folding.answer()
