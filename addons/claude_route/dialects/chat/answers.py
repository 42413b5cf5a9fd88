"""A Chat Completions answer as a Messages answer; what whole and streamed answers have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from claude_route import targets
from claude_route.dialects.chat import completions
from claude_route.dialects.chat import reasoning
from claude_route.dialects.chat import tool_names
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson

STOPS = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",
    "content_filter": "refusal",
}
"""finish_reason: stop_reason; any other is the end of the turn."""


def is_object(text: str) -> bool:
    """Whether a tool call's arguments are there in full."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except rawjson.REFUSALS:
        return False
    return True


def arguments(text: str) -> bytes:
    """A tool call's arguments as a JSON object; {} if they aren't one, so that the tool reports
    what is missing."""
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
    """What translating an answer requires from its request."""

    model: str
    """The name that the client asked for, and is answered with."""
    provider: targets.Provider
    names: tool_names.Names
    stops: tuple[str, ...]
    ids: set[str]
    """The ids of the conversation's calls."""
    new_id: Callable[[], str]
    """Returns new unique letters and digits."""

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
        """Whether signatures carry the provider's tag, and what the provider requires back."""
        return self.provider.thinking.responses == "tag"

    def signature(self, payload: str) -> str:
        return thinking.tag(self.provider.name) + payload if self.tags else ""

    def call_block(self, call: completions.ToolCall, used: set[str]) -> dict[str, Any]:
        """The tool_use block of a call, its input still empty; its id is added to those used."""
        id = tool_names.carried(call.id) if call.id else ""
        if not id or id in used or id in self.ids:
            id = f"toolu_{self.new_id()}"
        used.add(id)
        name = self.names.own(call.name)
        return {"type": "tool_use", "id": id, "name": name, "input": {}}


def stop(
    finish: str | None, matched: Any, arguments: Iterable[str], asked: Asked
) -> dict[str, str | None]:
    """The stop reason and stop sequence. `arguments` are those of the tool calls. If there are any,
    the reason is `tool_use` whatever the provider reports, unless the answer was cut off inside a
    call's arguments: then it is `max_tokens`.
    """
    sequence = matched if matched in asked.stops else None
    reason = STOPS.get(finish or "", "stop_sequence" if sequence else "end_turn")
    cut = False
    for text in arguments:
        reason = "tool_use"
        cut = cut or (finish in (None, "length") and _is_cut(text))
    return {"stop_reason": "max_tokens" if cut else reason, "stop_sequence": sequence}


def translate(body: bytes, asked: Asked) -> bytes:
    """A whole answer.

    Raises:
        ValueError: the body is none; an error that came with status 200 is none either.
    """
    completion = completions.read(body)
    if completion.failed():
        raise ValueError("body: expected an answer, got an error")
    choices = completion.choices or []
    given = [choice.message for choice in choices if choice.message is not None]
    if not given:
        raise ValueError("choices: expected a message, got none")
    content = [block for message in given for block in _blocks(message, asked)]
    ending = stop(
        next((choice.finish_reason for choice in choices if choice.finish_reason), None),
        next((choice.stop_reason for choice in choices if choice.stop_reason), None),
        [call.arguments() for message in given for call in _calls(message)],
        asked,
    )
    content = content or [{"type": "text", "text": requests.EMPTY}]
    counted = {"usage": completions.usage(completion) or completions.NO_USAGE}
    return msgspec.json.encode(asked.head() | {"content": content} | ending | counted)


def _calls(message: completions.Delta) -> Iterator[completions.ToolCall]:
    """The calls that have a name; no other can be made."""
    return (call for call in completions.tool_calls(message) if call.name)


def _blocks(message: completions.Delta, asked: Asked) -> Iterator[dict[str, Any]]:
    texts = dict(completions.pieces(message))
    thought, said = texts.get("thinking", ""), texts.get("text", "")
    found: list[dict[str, Any]] = []
    reasoning.merge(found, completions.details(message))
    if (thought.strip() and not asked.strips) or (asked.tags and reasoning.sealed(found)):
        signature = asked.signature(reasoning.payload(completions.form(message), found))
        yield {"type": "thinking", "thinking": thought, "signature": signature}
    if said.strip():
        yield {"type": "text", "text": said}
    used: set[str] = set()
    for call in _calls(message):
        block = asked.call_block(call, used)
        if call.extra_content and asked.tags:
            payload = reasoning.call_payload(block["id"], call.extra_content)
            yield {"type": "thinking", "thinking": "", "signature": asked.signature(payload)}
        yield block | {"input": msgspec.Raw(arguments(call.arguments()))}
