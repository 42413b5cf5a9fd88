"""What Chat Completions providers send: whole answers and chunks, in all the shapes that they give them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from typing import Literal
from typing import NamedTuple

import msgspec

from claude_route.dialects import usage as tokens
from claude_route.dialects.chat import quirks
from claude_route.dialects.chat import reasoning
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import rawjson


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None
    """A string of JSON; some servers give the object itself."""


class ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None
    """Gemini's thought signature, which it wants back."""

    @property
    def name(self) -> str:
        return (self.function and self.function.name) or ""

    def arguments(self) -> str:
        given = self.function.arguments if self.function else None
        if given is None or isinstance(given, str):
            return given or ""
        return msgspec.json.encode(given).decode()


class Delta(msgspec.Struct):
    """A whole answer's `message`, or what a chunk adds to it."""

    content: Any = None
    """A string, or a list of parts."""
    reasoning_content: Any = None
    reasoning: Any = None
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
    detail: Any = None

    def failed(self) -> bool:
        """Whether it is an error, which comes with status 200 too once the answer has begun."""
        if self.error or "error" in (self.object, self.type):
            return True
        if self.choices is None and (self.message or self.detail):
            return True
        first = self.choices[0] if self.choices else None
        return first is not None and bool(first.error or first.finish_reason == "error")


def read(data: bytes) -> Completion:
    """A whole answer or a chunk.

    Raises:
        ValueError: it is no JSON object, or not of this form.
    """
    try:
        return rawjson.decode_mended(data, Completion)
    except ValueError:
        # Text is decoded so, says the standard for events; a whole answer may begin with a mark, too.
        text = data.decode("utf-8-sig", "replace").encode()
        if text == data:
            raise
    return rawjson.decode_mended(text, Completion)


def read_chunk(data: bytes) -> Completion:
    """The same for a chunk, but what its texts have of a surrogate pair is kept: the provider may have
    cut between the halves, so that the other is in the chunk before or after.

    Raises:
        ValueError: as read().
    """
    try:
        return rawjson.decode(data, Completion)
    except ValueError:
        chunk = read(data)
    try:
        halved = msgspec.convert(json.loads(data), Completion)
    except (*rawjson.REFUSALS, ValueError):
        return chunk
    for choice, other in zip(chunk.choices or (), halved.choices or (), strict=True):
        if choice.delta is not None and other.delta is not None:
            _halve(choice.delta, other.delta)
    return chunk


def _halve(delta: Delta, halved: Delta) -> None:
    """Give a delta the texts of the same delta with halves in it."""
    for field in ("content", "reasoning_content", "reasoning", "reasoning_details", "refusal"):
        setattr(delta, field, getattr(halved, field))
    for call, other in zip(tool_calls(delta), tool_calls(halved), strict=True):
        if call.function and other.function and isinstance(other.function.arguments, str):
            call.function.arguments = other.function.arguments


def joined(text: str) -> str:
    """The text with the halves of surrogate pairs that have met as one, and U+FFFD for any other."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Piece(NamedTuple):
    """A piece of readable content."""

    kind: Literal["thinking", "text"]
    text: str


def pieces(delta: Delta) -> Iterator[Piece]:
    """The reasoning and the text of a message or chunk, whatever they are called; none is empty."""
    content = delta.content
    parts = content if isinstance(content, list) else ()
    thought = (
        _string(delta.reasoning_content)
        or _string(delta.reasoning)
        or reasoning.detailed_text(details(delta))
        or "".join(_part_text(part.get("thinking")) for part in parts if isinstance(part, dict))
    )
    if thought:
        yield Piece("thinking", thought)
    said = _string(content) or "".join(_part_text(part) for part in parts)
    said += _string(delta.refusal)
    if said:
        yield Piece("text", said)


def details(delta: Delta) -> list[Any]:
    """The reasoning_details, for what is in them besides text."""
    return delta.reasoning_details if isinstance(delta.reasoning_details, list) else []


def form(delta: Delta) -> reasoning.Form:
    """Where the reasoning stood."""
    if _string(delta.reasoning_content):
        return "reasoning_content"
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
    """The calls of a message or chunk, the one of the older kind too."""
    calls = message.tool_calls or []
    if message.function_call is not None:
        calls = [*calls, ToolCall(index=-1, function=message.function_call)]
    return calls


def usage(completion: Completion) -> dict[str, int] | None:
    """The tokens that a completion says it took, wherever it says so, as a message says it."""
    choices = completion.choices or ()
    groq = completion.x_groq if isinstance(completion.x_groq, dict) else {}
    found = (
        completion.usage or groq.get("usage") or next((c.usage for c in choices if c.usage), None)
    )
    if not isinstance(found, dict):
        return None
    details = found.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    prompt = _count(found.get("prompt_tokens"))
    elsewhere = (_count(found.get(name)) for name in quirks.CACHED_TOKENS)
    cached = _count(details.get("cached_tokens")) or next(filter(None, elsewhere), 0)
    written = _count(details.get("cache_write_tokens"))
    output = quirks.output_tokens(
        prompt, _count(found.get("completion_tokens")), _count(found.get("total_tokens"))
    )
    return {
        "input_tokens": max(prompt - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
    }


def counted(completion: Completion) -> tokens.Usage | None:
    """The same as a client of the Messages API reads it."""
    fields = usage(completion)
    return messages_usage.read(fields) if fields else None


def counted_in(body: bytes) -> tokens.Usage | None:
    """The same of a whole answer."""
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
    return int(value) if isinstance(value, int | float) else 0
