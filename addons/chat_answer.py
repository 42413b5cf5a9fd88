"""A Chat Completions answer as a Messages answer; what whole and streamed answers have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import NamedTuple

import msgspec

import chat_names
import chat_thinking
import chat_turns
import providers
import rawjson

STOPS = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",
    "content_filter": "refusal",
}
"""finish_reason: stop_reason; any other is the end of the turn."""


class Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None
    """A string of JSON; some servers give the object itself."""

    def text(self) -> str:
        if self.arguments is None or isinstance(self.arguments, str):
            return self.arguments or ""
        return msgspec.json.encode(self.arguments).decode()


class ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None
    """Gemini's thought signature, which it wants back."""


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

    def failed(self) -> bool:
        """Whether it is an error, which comes with status 200 too once the answer has begun."""
        if self.error or self.object == "error":
            return True
        first = self.choices[0] if self.choices else None
        return first is not None and bool(first.error or first.finish_reason == "error")


_completions = msgspec.json.Decoder(Completion)


def read(data: bytes) -> Completion:
    """Raises:
    ValueError: it is no JSON object, or not of this form.
    """
    try:
        return _completions.decode(data)
    except msgspec.ValidationError:
        raise
    except ValueError:
        return _completions.decode(rawjson.mend(data))


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
        or chat_thinking.detailed_text(details(delta))
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


def form(delta: Delta) -> chat_thinking.Form:
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


def is_object(text: str) -> bool:
    """Whether a tool call's arguments are there in full."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except rawjson.REFUSALS:
        return False
    return True


def arguments(text: str) -> bytes:
    """A tool call's arguments as a JSON object; {} where they are none: the tool says what it misses."""
    if is_object(text):
        return text.encode()
    try:
        value = _loose(text)
        # Some models write JSON in a string.
        value = _loose(value) if isinstance(value, str) else value
    except ValueError:
        return b"{}"
    return rawjson.mend(json.dumps(value).encode()) if isinstance(value, dict) else b"{}"


def _loose(text: str) -> Any:
    """JSON that may have line feeds in its strings, which some models leave as they are.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError as e:
        raise ValueError(rawjson.explain(e)) from e


def _is_cut(text: str) -> bool:
    """Whether arguments stop in the midst of something."""
    try:
        _loose(text)
    except ValueError:
        return bool(text.strip())
    return False


@dataclass(frozen=True)
class Asked:
    """What an answer has to know of its request."""

    model: str
    """The name that the client asked for, and is answered with."""
    provider: providers.Provider
    names: chat_names.Names
    stops: tuple[str, ...]
    ids: set[str]
    """The ids of the conversation's calls."""
    new_id: Callable[[], str]
    """Letters and digits that nobody had before."""

    def head(self) -> dict[str, Any]:
        """An answer's fields besides its content and how it ended."""
        return {
            "id": f"msg_{self.new_id()}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
        }

    @property
    def strips(self) -> bool:
        """Whether the client gets no thinking."""
        return self.provider.thinking.responses == "strip"

    @property
    def tags(self) -> bool:
        """Whether signatures say whose thinking it is, and what its provider wants back."""
        return self.provider.thinking.responses == "tag"

    def signature(self, payload: str) -> str:
        return chat_thinking.tag(self.provider.name) + payload if self.tags else ""

    def call_block(self, call: ToolCall, used: set[str]) -> dict[str, Any]:
        """The tool_use block of a call, its input still empty; its id is added to those used."""
        id = chat_names.carried(call.id) if call.id else ""
        if not id or id in used or id in self.ids:
            id = f"toolu_{self.new_id()}"
        used.add(id)
        name = self.names.own(call.function.name or "" if call.function else "")
        return {"type": "tool_use", "id": id, "name": name, "input": {}}


def stop(
    finish: str | None, matched: Any, arguments: Iterable[str], asked: Asked
) -> dict[str, str | None]:
    """How an answer ended.

    `arguments` are those of the calls. A call is one whatever the provider says ended the answer, unless
    that cut it off in the midst of them.
    """
    sequence = matched if matched in asked.stops else None
    reason = STOPS.get(finish or "", "stop_sequence" if sequence else "end_turn")
    cut = False
    for text in arguments:
        reason = "tool_use"
        cut = cut or (finish in (None, "length") and _is_cut(text))
    return {"stop_reason": "max_tokens" if cut else reason, "stop_sequence": sequence}


def usage(completion: Completion) -> dict[str, int] | None:
    """The tokens that a completion says it took, wherever it says so."""
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
    # DeepSeek and Kimi name the cached ones otherwise.
    cached = (
        _count(details.get("cached_tokens"))
        or _count(found.get("prompt_cache_hit_tokens"))
        or _count(found.get("cached_tokens"))
    )
    written = _count(details.get("cache_write_tokens"))
    return {
        "input_tokens": max(prompt - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": _count(found.get("completion_tokens")),
    }


NO_USAGE = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def translate(body: bytes, asked: Asked) -> bytes:
    """A whole answer.

    Raises:
        ValueError: the body is none; an error that came with status 200 is none either.
    """
    completion = read(body)
    if completion.failed():
        raise ValueError("body: expected an answer, got an error")
    choices = completion.choices or []
    messages = [choice.message for choice in choices if choice.message is not None]
    if not messages:
        raise ValueError("choices: expected a message, got none")
    content = [block for message in messages for block in _blocks(message, asked)]
    calls = [call for message in messages for call in tool_calls(message)]
    ending = stop(
        next((choice.finish_reason for choice in choices if choice.finish_reason), None),
        next((choice.stop_reason for choice in choices if choice.stop_reason), None),
        [call.function.text() for call in calls if call.function],
        asked,
    )
    content = content or [{"type": "text", "text": chat_turns.EMPTY}]
    counted = {"usage": usage(completion) or NO_USAGE}
    return msgspec.json.encode(asked.head() | {"content": content} | ending | counted)


def tool_calls(message: Delta) -> list[ToolCall]:
    """The calls of a message or chunk, the one of the older kind too."""
    calls = message.tool_calls or []
    if message.function_call is not None:
        calls = [*calls, ToolCall(index=-1, function=message.function_call)]
    return calls


def _blocks(message: Delta, asked: Asked) -> Iterator[dict[str, Any]]:
    texts = dict(pieces(message))
    thought, said = texts.get("thinking", ""), texts.get("text", "")
    found: list[dict[str, Any]] = []
    chat_thinking.merge(found, details(message))
    if (thought.strip() and not asked.strips) or (asked.tags and chat_thinking.sealed(found)):
        signature = asked.signature(chat_thinking.payload(form(message), found))
        yield {"type": "thinking", "thinking": thought, "signature": signature}
    if said.strip():
        yield {"type": "text", "text": said}
    used: set[str] = set()
    for call in tool_calls(message):
        if call.function is None or not call.function.name:
            continue
        block = asked.call_block(call, used)
        if call.extra_content and asked.tags:
            payload = chat_thinking.call_payload(block["id"], call.extra_content)
            yield {"type": "thinking", "thinking": "", "signature": asked.signature(payload)}
        yield block | {"input": msgspec.Raw(arguments(call.function.text()))}
