"""Parses what Chat Completions providers send: whole answers and chunks, in all their variants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from typing import Literal
from typing import NamedTuple

import msgspec

from claude_route.dialects import stops
from claude_route.dialects import usage as tokens
from claude_route.dialects.chat import quirks
from claude_route.dialects.chat import reasoning
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import lenient
from claude_route.wire import rawjson


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None
    """A string of JSON; some servers send the object itself."""


class ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None
    """Gemini's thought signature, which it requires back."""

    @property
    def name(self) -> str:
        return (self.function and self.function.name) or ""

    def arguments(self) -> str:
        given = self.function.arguments if self.function else None
        if given is None or isinstance(given, str):
            return given or ""
        return msgspec.json.encode(given).decode()


class Delta(msgspec.Struct):
    """The `message` of a whole answer, or the `delta` of a chunk."""

    content: Any = None
    """A string, or a list of parts."""
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_text: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None


class Choice(msgspec.Struct):
    message: Delta | None = None
    delta: Delta | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    """vLLM: the stop sequence that ended the answer."""
    usage: Any = None
    error: Any = None


class Completion(msgspec.Struct):
    """A whole answer, or a chunk of one."""

    choices: list[Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    error: Any = None
    object: Any = None
    type: Any = None
    message: Any = None
    msg: Any = None
    detail: Any = None
    success: Any = None
    base_resp: Any = None
    """MiniMax's, whose status_code is 0 if all is well."""

    def failed(self) -> bool:
        """Whether it is an error. Once an answer has begun, errors arrive with status 200."""
        if self.error or "error" in (self.object, self.type) or self.success is False:
            return True
        if isinstance(self.base_resp, dict) and self.base_resp.get("status_code"):
            return True
        if self.choices is None and (self.message or self.msg or self.detail):
            return True
        first = self.choices[0] if self.choices else None
        return first is not None and bool(first.error or stops.is_failure(first.finish_reason))


def read(data: bytes) -> Completion:
    """Parse a whole answer or a chunk.

    Raises:
        ValueError: it isn't a JSON object, or not of this form.
    """
    try:
        return rawjson.decode_mended(data, Completion)
    except ValueError:
        text = _decoded(data)
        if text == data:
            raise
    return rawjson.decode_mended(text, Completion)


def read_leniently(data: bytes) -> Completion:
    """Parse a whole answer or a chunk. A field of another type than expected is left out: it is rarely one
    that the client misses.

    Raises:
        ValueError: it isn't a JSON object.
    """
    try:
        return read(data)
    except ValueError:
        fields = rawjson.decode_mended(_decoded(data), dict[str, Any])
    return lenient.convert(fields, Completion)


def _decoded(data: bytes) -> bytes:
    """The data as UTF-8: the standard for events requires lenient decoding. A whole answer may begin with
    a byte order mark."""
    return data.decode("utf-8-sig", "replace").encode()


def read_chunk(data: bytes) -> Completion:
    """Parse a chunk like read_leniently(), but keep lone halves of surrogate pairs in its texts: the provider may
    have cut between the halves, so that the other half is in the chunk before or after.

    Raises:
        ValueError: as read_leniently().
    """
    try:
        return rawjson.decode(data, Completion)
    except ValueError:
        chunk = read_leniently(data)
    try:
        halved = lenient.convert(json.loads(data), Completion)
    except (*rawjson.REFUSALS, ValueError):
        return chunk
    for choice, other in zip(chunk.choices or (), halved.choices or (), strict=True):
        if choice.delta is not None and other.delta is not None:
            _halve(choice.delta, other.delta)
    return chunk


def _halve(delta: Delta, halved: Delta) -> None:
    """Replace a delta's texts by those of `halved`, the same delta with lone halves in it."""
    for field in (
        *("content", "reasoning_content", "reasoning", "reasoning_text"),
        *("reasoning_details", "refusal"),
    ):
        setattr(delta, field, getattr(halved, field))
    for call, other in zip(tool_calls(delta), tool_calls(halved), strict=True):
        if call.function and other.function and isinstance(other.function.arguments, str):
            call.function.arguments = other.function.arguments


class Piece(NamedTuple):
    """A piece of readable content."""

    kind: Literal["thinking", "text"]
    text: str


def pieces(delta: Delta) -> Iterator[Piece]:
    """The reasoning and the text of a message or chunk, whatever their fields are called. No piece is
    empty."""
    content = delta.content
    parts = content if isinstance(content, list) else ()
    thought = (
        _string(delta.reasoning_content)
        or _string(delta.reasoning)
        or _string(delta.reasoning_text)
        or reasoning.detailed_text(details(delta))
        or "".join(_part_text(part.get("thinking")) for part in parts if isinstance(part, dict))
    )
    if thought:
        yield Piece("thinking", thought)
    text = _string(content) or "".join(_part_text(part) for part in parts)
    text += _string(delta.refusal)
    if text:
        yield Piece("text", text)


def details(delta: Delta) -> list[Any]:
    """The reasoning_details, which contain more than text."""
    return delta.reasoning_details if isinstance(delta.reasoning_details, list) else []


def form(delta: Delta) -> reasoning.Form:
    """The field that contained the reasoning."""
    if _string(delta.reasoning_content):
        return "reasoning_content"
    if _string(delta.reasoning_text):
        return "reasoning_text"
    return "reasoning" if _string(delta.reasoning) else "parts"


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _part_text(part: Any) -> str:
    if isinstance(part, list):
        return "".join(map(_part_text, part))
    if isinstance(part, dict):
        part = part.get("text") or part.get("refusal")
    return _string(part)


def tool_calls(message: Delta) -> list[ToolCall]:
    """The tool calls of a message or chunk, including the older `function_call`."""
    calls = message.tool_calls or []
    if message.function_call is not None:
        calls = [*calls, ToolCall(index=-1, function=message.function_call)]
    return calls


def usage(completion: Completion) -> dict[str, int] | None:
    """The usage that a completion reports, in whichever field, in the form of a Messages answer."""
    choices = completion.choices or ()
    groq = completion.x_groq if isinstance(completion.x_groq, dict) else {}
    reported = (
        completion.usage or groq.get("usage") or next((c.usage for c in choices if c.usage), None)
    )
    if not isinstance(reported, dict):
        return None
    details = reported.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    prompt = _count(reported.get("prompt_tokens"))
    elsewhere = (_count(reported.get(name)) for name in quirks.CACHED_TOKENS)
    cached = _count(details.get("cached_tokens")) or next(filter(None, elsewhere), 0)
    written = _count(details.get("cache_write_tokens"))
    output = quirks.output_tokens(
        prompt, _count(reported.get("completion_tokens")), _count(reported.get("total_tokens"))
    )
    return {
        "input_tokens": max(prompt - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
    }


def counted(completion: Completion) -> tokens.Usage | None:
    """The usage that a completion reports."""
    fields = usage(completion)
    return messages_usage.read(fields) if fields else None


def counted_in(body: bytes) -> tokens.Usage | None:
    """The usage that a whole answer reports."""
    try:
        return counted(read(body))
    except ValueError:
        return None


NO_USAGE = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


def _count(value: Any) -> int:
    return tokens.number(value) or 0
