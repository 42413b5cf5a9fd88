"""Writes a streamed Messages answer: https://platform.claude.com/docs/en/build-with-claude/streaming

Whatever a provider sends, the client gets one `message_start`, then content blocks one after the other,
numbered from 0, then one `message_delta` and one `message_stop`, or an `error` in place of what is
missing. The rewriters of all dialects write through this.
"""

from __future__ import annotations

from typing import Any

import msgspec

from claude_route.dialects import envelope
from claude_route.dialects import usage
from claude_route.wire import sse

_encode = msgspec.json.encode

DELTAS = {
    "text": (b"text_delta", b"text"),
    "thinking": (b"thinking_delta", b"thinking"),
    "tool_use": (b"input_json_delta", b"partial_json"),
    "server_tool_use": (b"input_json_delta", b"partial_json"),
    "mcp_tool_use": (b"input_json_delta", b"partial_json"),
}
"""Block type -> the type of its deltas, and their field with the added text."""

PING = sse.encode("ping", b'{"type":"ping"}')


class Emitter:
    """Collects the events to send. Each method adds one, or completes what is under way."""

    def __init__(self, meter: usage.Meter) -> None:
        """`meter` counts what is written."""
        self.index = -1
        """The index of the open block, or else of the last one."""
        self.has_started = False
        self.is_open = False
        """Whether a block is open."""
        self._meter = meter
        self._out: list[bytes] = []
        self._delta = b""
        """The beginning of a delta event in the open block."""
        self._half = ""
        """The first half of a surrogate pair; the second may be in the open block's next delta."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self._out

    def start(self, message: dict[str, Any]) -> None:
        """Write `message_start`. `message` has the fields of an answer besides its content and ending."""
        rest: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
        self.has_started = True
        self.emit("message_start", message=message | rest)

    def begin(self, block: dict[str, Any], raw: bytes = b"") -> None:
        """Begin a block. `raw` is its event, if that exists already."""
        self.stop()
        self.index += 1
        self.is_open = True
        if raw:
            self._out.append(raw)
        else:
            self.emit("content_block_start", index=self.index, content_block=block)
        kind, key = DELTAS.get(block["type"], (b"", b""))
        start = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
        self._delta = (start + b'"delta":{"type":"%s","%s":') % (self.index, kind, key)

    def send(self, text: str) -> None:
        """Add text to the open block, or JSON to the input of a call."""
        # The hot path: an event for each token.
        if not text:
            return
        try:
            encoded = _encode(self._half + text)
        except UnicodeEncodeError:
            text = self._half + text
            self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            text = joined(text.removesuffix(self._half))
            if not text:
                return
            encoded = _encode(text)
        self._meter.written += len(encoded) - 2
        self._out.append(self._delta + encoded + b"}}\n\n")

    def sign(self, signature: str) -> None:
        """Add a signature to the open block."""
        self._meter.written += len(signature)
        delta = {"type": "signature_delta", "signature": signature}
        self.emit("content_block_delta", index=self.index, delta=delta)

    def settle(self) -> None:
        """No more text is added to the open block. Its other fields may still follow."""
        if self._half:
            self._half = ""
            self.send("\ufffd")

    def stop(self, raw: bytes = b"") -> None:
        """Close the open block, if there is one. `raw` is the event, if that exists already."""
        if not self.is_open:
            return
        self.settle()
        if raw:
            self._out.append(raw)
        else:
            self.emit("content_block_stop", index=self.index)
        self.is_open = False

    def end(self, delta: dict[str, Any], counted: dict[str, Any], /, **fields: Any) -> None:
        """Write the last two events. `delta` has the stop reason, `counted` the usage. The fields may have any
        names: a provider chose them."""
        self.stop()
        self.emit("message_delta", delta=delta, usage=counted, **fields)
        self.emit("message_stop")

    def pass_on(self, raw: bytes) -> None:
        """Add an event that exists already."""
        self._out.append(raw)

    def emit(self, name: str, /, **fields: Any) -> None:
        self._out.append(event(name, **fields))

    def flush(self) -> bytes:
        """What has been written since the last time."""
        out = b"".join(self._out)
        self._out.clear()
        return out


def event(name: str, /, **fields: Any) -> bytes:
    """An event of a Messages stream."""
    return sse.encode(name, _encode({"type": name} | fields))


def error(kind: str, message: str) -> bytes:
    """The event that ends a stream with an error."""
    return sse.encode("error", envelope.body(kind, message))


def joined(text: str) -> str:
    """The text with adjacent halves of surrogate pairs joined, and U+FFFD for any other half."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
