"""Repairs a streamed answer of a Messages provider that isn't Anthropic.

Compatible providers leave out event names, stops and usage, interleave blocks, repeat ids, or put a
call's input where clients don't look for it. Events that are as they should be pass unchanged.
"""

from __future__ import annotations

import re
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route.dialects import emitter
from claude_route.dialects import error_body
from claude_route.dialects import stops
from claude_route.dialects import usage
from claude_route.dialects.messages import answers
from claude_route.dialects.messages import errors
from claude_route.dialects.messages import inputs
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking_answer
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import rawjson
from claude_route.wire import sse

_DELTA = "content_block_delta"
_DONE = b"[DONE]"
"""Some providers end each stream as Chat Completions does."""

# A delta as most providers write it, up to its text; and the rest of it. UTF-8 that matches both is valid.
_PLAIN = re.compile(
    rb'\{"type": ?"content_block_delta", ?"index": ?\d+, ?"delta": ?\{"type": ?"\w+", ?"\w+": ?"'
)
_REST = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+" *+\} *+\}')
_CONTROL = re.compile(rb"(?<!\\)(?:\\\\)*+\\(?:[bfnrt]|u00[01])")
"""A control character, escaped as a text in JSON has it. In the JSON of an input, its backslash is escaped."""
_INDEX = re.compile(rb'("index": ?)\d+')
_AFTER_TEXT = b'"}}'
_NO_DELTA = b"\0"
"""What no delta begins with."""

_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
    "citations_delta": ("text", ""),
    "compaction_delta": ("compaction", "content"),
}
"""Type of a delta -> the type of its block, and its field that has to be a string."""

_BEGINS_ITSELF = {
    "text": answers.EMPTY_TEXT,
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
"""Type of a block that can begin with a delta -> the block."""

MAX_QUEUE = 8 * 1024 * 1024
"""How many bytes about other blocks may wait for a call to be complete."""


MAX_LOOKS = 500_000
"""How often events about other blocks may be put back in all: once for each block that is complete before
theirs."""


class _Event(msgspec.Struct):
    """The fields that we need, of whatever type: no provider's mistake is to end a stream."""

    type: Any = None
    index: Any = None
    message: Any = None
    content_block: Any = None
    delta: Any = None
    usage: Any = None
    stop_reason: Any = msgspec.UNSET


class _Item(NamedTuple):
    kind: str
    event: sse.Event
    fields: _Event

    @property
    def names_itself(self) -> bool:
        """Whether the event and its data both say what it is: clients of one kind read the one, clients of
        another the other."""
        return bool(self.event.name == self.kind == self.fields.type)


class Stream:
    """Implements `dialect.Rewriter`."""

    def __init__(
        self, context: answers.Context, editor: thinking_answer.Editor | None = None
    ) -> None:
        """`editor` changes the thinking in what has been repaired."""
        self.meter = usage.Meter()
        self.message_id = ""
        self.begun = False
        self.complete = False
        self.error = ""
        self._context = context
        self._editor = editor
        self._emitter = emitter.Emitter(self.meter)
        self._place: Any = None
        """The provider's index of the open block."""
        self._kind = ""
        """Its type."""
        self._input: inputs.Input | None = None
        self._is_signed = False
        self._held: tuple[dict[str, Any], bytes] | None = None
        """A text block that has no text yet, and its event."""
        self._queue: list[_Item] = []
        """What has arrived about other blocks since the open call, which is incomplete."""
        self._queued = 0
        self._looks = 0
        """How often something was queued, all blocks together."""
        self._used: set[str] = set()
        self._kinds: set[str] = set()
        self._ending: dict[str, Any] | None = None
        """The fields of all message_delta events, each merged into those before."""
        self._prefix = _NO_DELTA
        """How the data of the next delta begins, if it is like the one before."""
        self._seen = _NO_DELTA
        """How the data of the event being read begins, if it is a delta of this kind."""
        self._client_prefix: bytes | None = None
        """How it begins for the client; None if the client doesn't get it."""

    @property
    def started(self) -> bool:
        return self._emitter.has_started

    def feed(self, event: sse.Event) -> bytes:
        # Otherwise what nobody decodes here, such as the rest of a delta, would pass as it is.
        event = sse.as_utf_8(event)
        # The hot path, an event for each token, looks only at the event's beginning and form.
        data, prefix = event.data, self._prefix
        if data.startswith(prefix) and _REST.fullmatch(data, len(prefix)):
            self.meter.written += len(data) - len(prefix) - len(_AFTER_TEXT)
            if (call := self._input) is not None:
                # Only a brace can end the object, and only a control character needs a repair within.
                if (
                    call.is_flowing
                    and data.find(b"}", len(prefix), -len(_AFTER_TEXT)) < 0
                    and (
                        data.find(b"\\", len(prefix)) < 0 or not _CONTROL.search(data, len(prefix))
                    )
                ):
                    call.deltas.append(data)
                elif (instead := call.add(data)) is not None:
                    self._emitter.send(instead)
                    return self._edited(self._emitter.flush())
            if self._client_prefix == prefix and event.name == _DELTA:
                return event.raw
            if self._client_prefix is None:
                return b""
            return sse.encode(_DELTA, self._client_prefix + data[len(prefix) :])
        if self.complete:
            return b""
        self._seen = _NO_DELTA
        out = self._edited(self._read(event))
        self._expect(self._seen)
        return out

    def _expect(self, prefix: bytes) -> None:
        """Be ready for another delta that begins so. Called after the editor has seen the one before."""
        self._prefix = prefix
        index: int | None = self._emitter.index
        if self._editor is not None:
            if self._editor.reads_text:
                self._prefix = _NO_DELTA
                return
            index = self._editor.place(self._emitter.index)
        self._client_prefix = None
        if index is not None:
            self._client_prefix = _INDEX.sub(rb"\g<1>%d" % index, prefix, count=1)

    def _edited(self, out: bytes) -> bytes:
        if self._editor is None or not out:
            return out
        return b"".join(map(self._editor.feed, sse.Decoder().feed(out)))

    def _read(self, event: sse.Event) -> bytes:
        data = event.data
        if event.name == "error":
            return self._refused(data)
        if not data or event.name == "ping":
            # A comment becomes a ping. A blank line is nothing, and there may be a million of them.
            return emitter.PING if self.started and not event.raw.isspace() else b""
        if data.strip() == _DONE:
            return self._finished() if self.begun or self._ending else b""
        try:
            fields = rawjson.decode_mended(data, _Event)
        except ValueError:
            return b"" if self.started else self._refused(data)
        kind = fields.type if isinstance(fields.type, str) else event.name
        match kind:
            case "ping":
                return emitter.PING if self.started else b""
            case "message_start":
                self._start(fields.message)
            case "message_delta":
                given = fields.delta.get("stop_reason") if isinstance(fields.delta, dict) else None
                if stops.is_failure(given):
                    return self._fail("api_error", stops.failure(given))
                self._note_ending(fields, data)
            case "message_stop":
                return self._finished()
            case "content_block_start" | "content_block_delta" | "content_block_stop":
                self._start(None)
                self._take(_Item(kind, event, fields))
                self._advance()
            case _ if kind == "error" or error_body.is_error(data):
                return self._refused(data)
        return self._emitter.flush()

    def _start(self, message: Any) -> None:
        if self.started:
            return
        fields = message if isinstance(message, dict) else {}
        counted = answers.numbers(fields.get("usage"))
        self.meter.usage = messages_usage.read(counted)
        fields.pop(answers.VERDICTS, None)
        made = answers.envelope(fields, self._context)
        self._emitter.start(fields | made | {"usage": answers.NO_USAGE | counted})

    def _note_ending(self, fields: _Event, data: bytes) -> None:
        self._start(None)
        counted = answers.numbers(fields.usage)
        before = self._ending or {}
        delta = fields.delta if isinstance(fields.delta, dict) else {}
        kept = {key: value for key, value in delta.items() if value is not None}
        try:
            others = rawjson.decode_mended(data, dict[str, Any])
        except ValueError:  # in a field that nobody has looked at yet
            others = {}
        self._ending = {
            **others,
            "delta": before.get("delta", {}) | kept,
            "usage": before.get("usage", {}) | counted,
        }
        self.meter.usage = messages_usage.read(counted, self.meter.usage)
        self.meter.is_final = "output_tokens" in self._ending["usage"]

    # Blocks

    def _take(self, item: _Item) -> None:
        """An event about a block: now, or once the open call is complete."""
        index = item.fields.index
        is_open = self._kind != "" and index in (None, self._place)
        if not is_open and self._input is not None:
            if not self._input.is_complete:
                self._queue.append(item)
                self._queued += len(item.event.data)
                self._looks += 1
                return
            self._close()
        match item.kind:
            case "content_block_start":
                self._begin(item, is_open=is_open)
            case "content_block_delta":
                self._add(item, is_open=is_open)
            case _ if self._input is not None and self._input.is_broken:
                pass  # its repair waits for the stop reason, and the next block for its repair
            case _ if is_open:
                is_same = item.names_itself and _is_index(index, self._emitter.index)
                self._close(item.event.raw if is_same else b"")

    def _advance(self, *, force: bool = False) -> None:
        """Take what is queued, up to the next call that is incomplete."""
        while self._queue:
            if self._input is not None:
                is_full = self._queued > MAX_QUEUE or self._looks > MAX_LOOKS
                if not (force or is_full or self._input.is_complete):
                    return
                self._close()
            queue, self._queue, self._queued = self._queue, [], 0
            for item in queue:
                self._take(item)

    def _begin(self, item: _Item, *, is_open: bool) -> None:
        given = item.fields.content_block
        if is_open and isinstance(given, dict) and given.get("type") == self._kind:
            return  # repeated
        block = answers.opened(given, self._context, self._used)
        if block is None:
            return
        is_same = (
            block == given
            and item.names_itself
            and item.fields.stop_reason is msgspec.UNSET  # it isn't the end
            and _is_index(item.fields.index, self._emitter.index + 1)
        )
        self._open(item.fields.index, block, item.event.raw if is_same else b"")
        if block["type"] in answers.CALLS:
            self._input = inputs.Input(answers.input_of(given.get("input")))

    def _open(self, place: Any, block: dict[str, Any], raw: bytes = b"") -> None:
        self._close()
        self._place, self._kind = place, block["type"]
        self._kinds.add(self._kind)
        if block == answers.EMPTY_TEXT:
            # Some providers begin with a text block whether or not there is text, and before they know
            # whether they can answer.
            self._held = block, raw
        else:
            self.begun = True
            self._emitter.begin(block, raw)

    def _add(self, item: _Item, *, is_open: bool) -> None:
        delta = item.fields.delta
        name = delta.get("type") if isinstance(delta, dict) else None
        if not isinstance(name, str) or name not in _DELTAS:
            return
        kind, key = _DELTAS[name]
        value = delta.get(key) if key else ""
        if not isinstance(value, str) or (self._held and key and not value):
            return
        if name == "input_json_delta":
            fits = is_open and self._input is not None
        else:
            # A signature is the last of its block.
            again = self._is_signed and name == "thinking_delta"
            fits = is_open and self._kind == kind and not again
        if not fits:
            if not value or name == "signature_delta" or kind not in _BEGINS_ITSELF:
                return
            self._open(item.fields.index, _BEGINS_ITSELF[kind])
        self._is_signed = name == "signature_delta"
        self.meter.written += len(value)
        data = item.event.data
        if self._input is not None and (instead := self._input.add(data)) is not None:
            self._emitter.send(instead)
            return
        if self._held:
            self.begun = True
            self._emitter.begin(*self._held)
            self._held = None
        self._pass_on(item)
        plain = _PLAIN.match(data)
        self._seen = plain[0] if plain and not self._is_signed and not self._queue else _NO_DELTA

    def _pass_on(self, item: _Item) -> None:
        """Pass on a delta with the index of the open block."""
        event, fields, index = item.event, item.fields, self._emitter.index
        if fields.type != _DELTA:
            raw = emitter.event(_DELTA, index=index, delta=fields.delta)
        elif _is_index(fields.index, index):
            raw = event.raw if event.name == _DELTA else sse.encode(_DELTA, event.data)
        else:
            try:
                raw = thinking_answer.moved(sse.Event(_DELTA, event.data, event.raw), index)
            except ValueError:  # about a field that nobody has looked at yet
                raw = emitter.event(_DELTA, index=index, delta=fields.delta)
        self._emitter.pass_on(raw)

    def _close(self, raw: bytes = b"") -> None:
        """Close the open block. `raw` is the provider's event, if it can stay."""
        if self._input is not None:
            is_whole = self._ending is not None and not answers.is_cut(self._ending["delta"])
            self._emitter.send(self._input.rest(is_whole=is_whole))
        self._emitter.stop(raw)
        self._place, self._kind, self._input, self._held = None, "", None, None
        self._is_signed = False
        self._seen = _NO_DELTA  # that of an event in the queue, which belonged to this block

    # The end

    def is_whole(self, event: sse.Event) -> bool:
        return event.data.strip() == _DONE or rawjson.is_value(event.data)

    def end(self) -> bytes:
        if self.complete or not self.started:
            return b""
        return self.broken("the provider ended the stream early")

    def broken(self, why: str) -> bytes:
        self._expect(_NO_DELTA)
        if self._ending is None:
            return self._fail("api_error", f"The stream was interrupted: {why}")
        # The stop reason has arrived, so only the closing event is missing.
        return self._edited(self._finished())

    def _finished(self) -> bytes:
        self._start(None)
        self._advance(force=True)
        self._close()
        if self._emitter.index < 0:
            self._emitter.begin(answers.EMPTY_TEXT)
            self._emitter.send(requests.EMPTY)
        self.begun = self.complete = True
        ending = self._ending or {}
        delta = ending.pop("delta", {})
        counted = {"output_tokens": self.meter.usage.output} | ending.pop("usage", {})
        for name in ("type", answers.VERDICTS):
            ending.pop(name, None)
        delta.pop(answers.VERDICTS, None)
        stop = answers.stop(delta, self._kinds)
        self._emitter.end(delta | stop, counted, **ending)
        return self._emitter.flush()

    def _refused(self, data: bytes) -> bytes:
        error = errors.translate(200, data)
        return self._fail(error.kind, error.message)

    def _fail(self, kind: str, message: str) -> bytes:
        self.complete = True
        self.error = kind
        return emitter.error(kind, message)


def _is_index(given: Any, index: int) -> bool:
    """`true` is no 1."""
    return type(given) is int and given == index
