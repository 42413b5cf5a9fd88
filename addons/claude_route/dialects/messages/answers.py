"""Whole answers of Messages providers: whether they are answers, and repairs to those of others than
Anthropic.

Compatible providers leave out fields, repeat ids, or use the words of another API. Anthropic's own
answers are never repaired.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import msgspec

from claude_route.dialects import error_body
from claude_route.dialects import repair
from claude_route.dialects import stops
from claude_route.dialects import usage as tokens
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

Fields = dict[str, Any]

EMPTY_TEXT = {"type": "text", "text": ""}

CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
"""Types of blocks that have an input."""

_NUMBERS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)
_OTHER_NUMBERS = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}

NO_USAGE = {"input_tokens": 0, "output_tokens": 0}

VERDICTS = "safeguard_results"
"""Anthropic's verdicts about the calls of an answer. Claude Code runs what they clear, so nobody else's
may reach it: a provider would clear its own calls."""


_MOST_SEARCHED = 512 * 1024 * 1024
"""Bytes of conversation in which the ids of one answer are looked for: 500 calls after 1 MB. Calls beyond
these get new ids."""


@dataclass(frozen=True)
class Context:
    """What a repair requires from the request."""

    model: str
    """The client's name for the model, for an answer that has none."""
    conversation: bytes = field(repr=False)
    """The client's request."""
    new_id: Callable[[], str]
    """Returns new unique letters and digits."""

    def tool_id(self, id: Any, used: set[str]) -> str:
        """The id of a call: the provider's own, or a new one if it isn't new to the conversation. Adds it
        to `used`, the ids of the answer.

        Clients match results to calls by the id alone, and Anthropic refuses a conversation in which an
        id occurs twice.
        """
        own = id if isinstance(id, str) else ""
        if len(used) * len(self.conversation) > _MOST_SEARCHED:
            own = ""
        if not own or own in used or self._has(own):
            own = f"toolu_{self.new_id()}"
        used.add(own)
        return own

    def _has(self, id: str) -> bool:
        # A conversation may have 32 MB, and this takes 0.1 ms a megabyte. Where the text is something
        # else by chance, the call gets another id, which harms nobody.
        return msgspec.json.encode(id) in self.conversation


class _Answer(msgspec.Struct):
    content: msgspec.Raw
    type: str = "message"


class _Count(msgspec.Struct):
    input_tokens: int


def check(body: bytes) -> None:
    """Check that a whole body is an answer.

    Raises:
        ValueError: it isn't.
    """
    answer = rawjson.decode_mended(body, _Answer)
    if answer.type != "message":
        raise ValueError("type: expected a message, got something else")
    if not rawjson.is_array(answer.content):
        raise ValueError("content: expected an array, got something else")


def check_count(body: bytes) -> None:
    """Check that a whole body is an answer of count_tokens.

    Raises:
        ValueError: it isn't.
    """
    rawjson.decode_mended(body, _Count)


def repaired(body: bytes, context: Context) -> bytes:
    """A whole answer, with everything that the client requires.

    Raises:
        ValueError: the body isn't an answer, or is an error with status 200.
    """
    fields = rawjson.decode_mended(body, Fields)
    if error_body.has_error(fields):
        raise ValueError("body: expected an answer, got an error")
    content = fields.get("content")
    if fields.get("type", "message") != "message" or not isinstance(content, list | str):
        raise ValueError("body: expected a message, got something else")
    if stops.is_failure(given := fields.get("stop_reason")):
        raise ValueError(stops.failure(given))
    is_whole = fields.get("stop_reason") is not None and not is_cut(fields)
    listed = [content] if isinstance(content, str) else content
    content = list(_blocks(listed, context, is_whole=is_whole))
    usage = numbers(fields.get("usage"))
    ending = stop(fields, (block["type"] for block in content))
    fields.pop(VERDICTS, None)
    fields |= envelope(fields, context)
    fields["content"] = content or [{"type": "text", "text": requests.EMPTY}]
    return msgspec.json.encode(fields | ending | {"usage": NO_USAGE | usage})


def envelope(message: Fields, context: Context) -> Fields:
    """An answer's own fields, which each has, without its content, ending and usage."""
    model = message.get("model")
    return {
        # Claude Code merges answers that have the same id.
        "id": f"msg_{context.new_id()}",
        "type": "message",
        "role": "assistant",
        "model": model if isinstance(model, str) and model else context.model,
    }


def stop(delta: Fields, kinds: Iterable[str]) -> Fields:
    """The stop reason and stop sequence. `delta` has what the provider reports as such; `kinds` are the
    types of the answer's blocks."""
    given = delta.get("stop_reason") or delta.get("finish_reason")
    reason = stops.reason(given) or "end_turn"
    if reason == "end_turn" and "tool_use" in set(kinds):
        reason = "tool_use"
    sequence = delta.get("stop_sequence")
    return {
        "stop_reason": reason,
        "stop_sequence": sequence if isinstance(sequence, str) else None,
    }


def is_cut(delta: Fields) -> bool:
    """Whether the answer has reached its limit, so that it may end anywhere."""
    return stops.is_cut(stop(delta, ())["stop_reason"])


def numbers(usage: Any) -> Fields:
    """A usage object without what isn't of the type that clients expect; empty if it isn't one."""
    if not isinstance(usage, dict):
        return {}
    kept = dict(usage)
    for name in _NUMBERS:
        value = kept.pop(name, None)
        if value is None:
            value = kept.get(_OTHER_NUMBERS.get(name, ""))
        if (counted := tokens.number(value)) is not None:
            kept[name] = counted
    return kept


def _blocks(content: list[Any], context: Context, *, is_whole: bool) -> Iterator[Fields]:
    used: set[str] = set()
    for each in content:
        if isinstance(each, str):
            each = {"type": "text", "text": each}  # as in a request
        block = opened(each, context, used)
        if block is None:
            continue
        if block["type"] in CALLS:
            block["input"] = input_of(each.get("input"), is_whole=is_whole)
        if block != EMPTY_TEXT:
            yield block


def opened(block: Any, context: Context, used: set[str]) -> Fields | None:
    """A block as it begins: with all fields that its type requires, and an empty input. None if it can't
    be one. `used` are the ids of the answer's calls so far."""
    kind = text(block.get("type")) if isinstance(block, dict) else ""
    if not kind:
        return None
    made = dict(block)
    if kind == "text":
        made["text"] = text(block.get("text"))
    elif kind == "thinking":
        made |= {"thinking": text(block.get("thinking")), "signature": text(block.get("signature"))}
    elif kind in CALLS:
        if not isinstance(block.get("name"), str) or not block["name"]:
            return None
        if kind == "tool_use":
            made["id"] = context.tool_id(block.get("id"), used)
        made["input"] = {}
    return made


def input_of(value: Any, *, is_whole: bool = False) -> Fields:
    """A call's input. Some providers put the JSON into a string. `is_whole`: the model has written all
    that it wanted."""
    if isinstance(value, str):
        text = value.encode(errors="replace").decode()
        made = repair.repaired(text, is_whole=is_whole)
        return rawjson.decode_mended(made, Fields) if made else {}
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""
