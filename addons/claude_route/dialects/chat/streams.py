"""Translates a streamed Chat Completions answer to a streamed Messages answer.

Chat Completions may interleave what it streams, but Messages blocks come one after the other. So text,
thinking and each tool call begin a block with their first bytes, and what arrives while a tool call is
incomplete is queued until it is complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from claude_route.dialects import emitter
from claude_route.dialects import think_tags
from claude_route.dialects import usage
from claude_route.dialects.chat import answers
from claude_route.dialects.chat import calls
from claude_route.dialects.chat import completions
from claude_route.dialects.chat import errors
from claude_route.dialects.chat import reasoning
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import rawjson
from claude_route.wire import sse

_SIGNATURE = {"text": {}, "thinking": {"signature": ""}}

DONE = b"[DONE]"

_LONGEST_BLANK = 64 * 1024
"""Characters of white space that wait for a block. They are copied with each piece that comes."""


@dataclass
class _Ending:
    """How the answer ends, as far as the provider has reported it."""

    finish: str | None = None
    matched: Any = None
    usage: dict[str, int] | None = None
    summed: bool = False
    """Whether a chunk with only the usage has arrived, which is the last one."""


class Stream:
    """Implements `dialect.Rewriter`.

    If the provider sends an error, the stream ends with an `error` event.
    """

    def __init__(self, context: answers.Context) -> None:
        self.meter = usage.Meter()
        self.begun = False
        self.complete = False
        self.error = ""
        """The type of the error that ended it."""
        self.message_id = ""
        self._context = context
        self._emitter = emitter.Emitter(self.meter)
        self._send = self._emitter.send
        self._open: str | calls.Call = ""
        """The open block: `text`, `thinking` or a call; empty if none is open."""
        self._queue: deque[completions.Piece | calls.Call] = deque()
        """What has arrived since the open call, which is incomplete."""
        self._blank = {"text": "", "thinking": ""}
        """White space before a block, which doesn't begin one."""
        self._form: reasoning.Form = "reasoning_content"
        self._details = reasoning.Details()
        """The reasoning_details of the open thinking block, or else of the next one."""
        self._calls = calls.Calls()
        self._splitter = think_tags.Splitter() if context.has_think_tags else None
        self._used: set[str] = set()
        self._ending = _Ending()

    @property
    def started(self) -> bool:
        return self._emitter.has_started

    def feed(self, event: sse.Event) -> bytes:
        """The whole events for the client that follow from this one; may be empty."""
        data = event.data
        if self.complete:
            return b""
        if event.name == "error":
            return self._refused(data)
        if not data or event.name == "ping":
            # A comment, such as OpenRouter sends to keep the connection open, becomes a ping.
            is_comment = not event.name and not event.raw.isspace()  # and no blank line
            return emitter.PING if self.started and is_comment else b""
        if data.strip() == DONE:
            return self._finished()
        try:
            completion = completions.read_chunk(data)
        except ValueError:
            if self.started:
                return b""  # the rest may still be an answer
            return self._fail("api_error", "the provider sent an event that is not a completion")
        if completion.failed():
            return self._refused(data)
        self._start()
        ending = self._ending
        had_finished = ending.finish is not None
        had_calls = len(self._calls.all)
        is_silent = self._emitter.index < 0 and not had_calls
        for choice in completion.choices or ():
            delta = choice.delta
            if delta is None and is_silent:
                # A whole answer. If something was streamed before, it only repeats that.
                delta = choice.message
            if delta is not None:
                self._add(delta)
            ending.finish = choice.finish_reason or ending.finish
            ending.matched = choice.stop_reason or ending.matched
        if counted := completions.usage(completion):
            ending.usage = counted
            ending.summed = not completion.choices
            self.meter.usage = messages_usage.read(counted)
            # Not all providers send [DONE] after it.
            if had_finished and self._emitter.is_empty and len(self._calls.all) == had_calls:
                return self._finished()
        return self._emitter.flush()

    def end(self) -> bytes:
        """The provider has ended the stream. Returns the events that the client still needs."""
        if self.complete:
            return b""
        ending = self._ending
        if not ending.finish and not ending.summed and (self._emitter.index >= 0 or self._queue):
            return self.broken("the provider ended the stream early")
        return self._finished()

    def broken(self, why: str) -> bytes:
        return self._fail("api_error", f"The stream was interrupted: {why}")

    def is_whole(self, event: sse.Event) -> bool:
        return event.data.strip() == DONE or rawjson.is_value(event.data)

    def _add(self, delta: completions.Delta) -> None:
        details = completions.details(delta)
        if details and self._context.tags:
            self._details.merge(details)
            if not isinstance(self._open, calls.Call):
                self._seal()
        for piece in completions.pieces(delta):
            if self._splitter and piece.kind == "text":
                self._add_parts(self._splitter.feed(piece.text))
                continue
            if piece.kind == "thinking":
                self._form = completions.form(delta)
            self._add_piece(piece)
        for call in completions.tool_calls(delta):
            if self._splitter:
                self._add_parts(self._splitter.end())
            self._add_call(call)
        if self._queue:
            self._advance()

    def _add_parts(self, parts: Iterable[think_tags.Piece]) -> None:
        for part in parts:
            if part.kind == "thinking":
                self._form = "tags"
            self._add_piece(completions.Piece(*part))

    def _add_piece(self, piece: completions.Piece) -> None:
        if piece.kind == "thinking" and self._context.strips:
            self.begun = True
        elif self._queue or (isinstance(self._open, calls.Call) and not self._open.is_complete()):
            self._queue.append(piece)
        else:
            self._write(piece)

    def _write(self, piece: completions.Piece) -> None:
        kind, text = piece
        if self._open != kind:
            text = self._blank[kind] + text
            self._blank[kind] = "" if text.strip() or len(text) > _LONGEST_BLANK else text
            if self._blank[kind]:
                return
            self._begin(kind, {"type": kind, kind: ""} | _SIGNATURE[kind])
        self._send(text)

    def _seal(self) -> None:
        """Begin a thinking block for details that are signed or encrypted and have no text."""
        if self._open != "thinking" and self._details.is_sealed:
            self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._send(self._blank["thinking"])
            self._blank["thinking"] = ""

    def _add_call(self, piece: completions.ToolCall) -> None:
        call, text = self._calls.add(piece)
        if call.state == "new":
            call.wait()
            self._queue.append(call)
        else:
            self._send(call.grown(text))

    def _advance(self, *, force: bool = False) -> None:
        """Send what is queued, up to the first call that is incomplete."""
        while self._queue:
            if isinstance(self._open, calls.Call) and not force and not self._open.is_complete():
                return
            first = self._queue[0]
            if isinstance(first, calls.Call) and not force and not first.can_start():
                return
            self._queue.popleft()
            if not isinstance(first, calls.Call):
                self._write(first)
            elif first.name:
                self._begin_call(first)

    def _begin_call(self, call: calls.Call) -> None:
        function = completions.Function(call.name)
        block = self._context.call_block(
            completions.ToolCall(id=call.id, function=function), self._used
        )
        if call.extra_content and self._context.tags:
            payload = reasoning.call_payload(block["id"], call.extra_content)
            self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._close(payload)
        self._begin(call, block)
        self._send(call.open())

    def _begin(self, what: str | calls.Call, block: dict[str, Any]) -> None:
        self._close()
        self.begun = True
        self._open = what
        self._emitter.begin(block)

    def _close(self, payload: str | None = None) -> None:
        """Close the open block. `payload` is for a thinking block's signature."""
        if not self._open:
            return
        self._emitter.settle()
        if isinstance(self._open, calls.Call):
            self._send(self._open.close(self._ending.finish))
        elif self._open == "thinking":
            if payload is None:
                payload = reasoning.payload(self._form, self._details.whole())
                self._details = reasoning.Details()
            if signature := self._context.signature(payload):
                self._emitter.sign(signature)
        self._emitter.stop()
        self._open = ""

    def _start(self) -> None:
        if not self.started:
            self._emitter.start(self._context.envelope() | {"usage": completions.NO_USAGE})

    def _finished(self) -> bytes:
        if self._ending.finish is None and self._emitter.index < 0 and not self._queue:
            return self._fail("api_error", "the provider ended the stream without an answer")
        self.complete = self.meter.is_final = True
        if self._splitter:
            self._add_parts(self._splitter.end())
        self._advance(force=True)
        self._seal()
        if self._emitter.index < 0:
            self._blank["text"] = ""
            self._write(completions.Piece("text", requests.EMPTY))
        self._close()
        arguments = [call.text() for call in self._calls.all if call.name]
        ending = self._ending
        stop = answers.stop(ending.finish, ending.matched, arguments, self._context)
        self._emitter.end(stop, ending.usage or completions.NO_USAGE)
        self.begun = True
        return self._emitter.flush()

    def _refused(self, data: bytes) -> bytes:
        error = errors.translate(200, data)
        return self._fail(error.kind, error.message)

    def _fail(self, kind: str, message: str) -> bytes:
        self.complete = True
        self.error = kind
        return emitter.error(kind, message)
