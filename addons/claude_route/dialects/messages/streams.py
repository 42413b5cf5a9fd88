"""Passes on a streamed answer of Anthropic. Events stay unchanged, except that thinking is tagged or
removed if the profile says so."""

from __future__ import annotations

from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.dialects.messages import thinking_answer
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import rawjson
from claude_route.wire import sse

_DELTA = "content_block_delta"

_BEGIN = {"content_block_start", _DELTA, "message_delta", "message_stop"}
"""The events after which an answer has begun: nothing could replace it."""

_AROUND_A_DELTA = len(
    sse.encode(
        _DELTA, b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}'
    )
)
"""The size of a delta event without its text, in bytes."""


class Stream:
    """Implements `dialect.Rewriter`."""

    def __init__(self, editor: thinking_answer.Editor | None = None) -> None:
        """Without an editor, events stay unchanged."""
        self.meter = usage.Meter()
        self.started = False
        self.begun = False
        self.complete = False
        self.error = ""
        self.message_id = ""
        self._editor = editor
        self._lacks_stop = False
        """Whether everything but `message_stop` has arrived."""

    def feed(self, event: sse.Event) -> bytes:
        # The hot path, an event for each token, only looks at the event's name and length.
        if event.name == _DELTA and self.begun:
            if (size := len(event.raw)) > _AROUND_A_DELTA:
                self.meter.written += size - _AROUND_A_DELTA
        else:
            self._note(event)
        return event.raw if self._editor is None else self._editor.feed(event)

    def _note(self, event: sse.Event) -> None:
        if event.name == "error" or (not self.begun and error_body.is_error(event.data)):
            self.error = error_body.read(event.data).kind or "error"
            self.complete = True
            return
        if event.data and event.name != "ping":
            self.started = True
            self.begun = self.begun or (event.name or rawjson.kind(event.data)) in _BEGIN
        if event.name:
            self._lacks_stop = event.name == "message_delta"
        match event.name:
            case "content_block_delta":
                self.meter.written += max(len(event.raw) - _AROUND_A_DELTA, 0)
            case "message_start" | "message_delta":
                self._count(event)
            case "message_stop":
                self.complete = True

    def _count(self, event: sse.Event) -> None:
        counted = messages_usage.decode(event.data)
        if counted is None:
            return
        meter = self.meter
        if counted.message is not None:
            if isinstance(counted.message.id, str):
                self.message_id = counted.message.id
            meter.usage = messages_usage.read(counted.message.usage, meter.usage)
        meter.usage = messages_usage.read(counted.usage, meter.usage)
        meter.is_final = event.name == "message_delta" and counted.usage is not None

    def is_whole(self, event: sse.Event) -> bool:
        return rawjson.is_value(event.data)

    def end(self) -> bytes:
        return b""

    def broken(self, why: str) -> bytes:
        self.complete = True
        if self._lacks_stop:
            # The stop reason has arrived, so only the closing event is missing.
            return sse.encode("message_stop", b'{"type":"message_stop"}')
        self.error = "api_error"
        return sse.encode("error", envelope.body(self.error, f"The stream was interrupted: {why}"))
