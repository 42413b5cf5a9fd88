"""Translates a Chat Completions answer to a Messages answer. Also used for streamed answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from claude_route import targets
from claude_route.dialects import call_ids
from claude_route.dialects import repair
from claude_route.dialects import stops
from claude_route.dialects import think_tags
from claude_route.dialects.chat import completions
from claude_route.dialects.chat import reasoning
from claude_route.dialects.chat import tool_names
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson

_STOPS = ("max_tokens", "refusal", "model_context_window_exceeded")
"""The stop reasons that a finish_reason shows. With any other, the model has written all that it wanted."""


def arguments(text: str, finish: str | None = None) -> bytes:
    """A tool call's arguments as a JSON object; {} if they aren't one, so that the tool reports
    what is missing."""
    return repair.repaired(text, is_whole=_is_whole(finish)) or b"{}"


def lost_end(text: str, finish: str | None) -> str:
    """What a tool call's arguments lack at their end; empty if it can't be told."""
    return repair.closing(text) if _is_whole(finish) else ""


def _is_whole(finish: str | None) -> bool:
    """Whether the provider says that the model has written all that it wanted."""
    return finish is not None and stops.reason(finish) not in _STOPS


def _loose(text: str) -> Any:
    """Parse JSON that may contain line feeds in its strings, which some models don't escape.

    Raises:
        ValueError: it isn't JSON.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError as e:
        raise ValueError(rawjson.explain(e)) from e


def _is_cut(text: str) -> bool:
    """Whether arguments are cut off."""
    try:
        _loose(text)
    except ValueError:
        return bool(text.strip())
    return False


@dataclass(frozen=True)
class Context:
    """What translating an answer requires from its request."""

    model: str
    """The client's name for the model, which the answer repeats."""
    provider: targets.Provider
    names: tool_names.Names
    stops: tuple[str, ...]
    ids: set[str]
    """The ids of the conversation's calls."""
    new_id: Callable[[], str]
    """Returns new unique letters and digits."""
    has_think_tags: bool = False
    """Whether the text may begin with the reasoning, in tags."""

    def envelope(self) -> dict[str, Any]:
        """The fields of an answer besides its content and its ending."""
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
        """Whether signatures contain the provider's tag, and what the provider requires back. If the
        client gets no thinking, empty blocks carry it."""
        return self.provider.thinking.responses != "keep"

    def signature(self, payload: str) -> str:
        return thinking.tag(self.provider.name) + payload if self.tags else ""

    def call_block(self, call: completions.ToolCall, used: set[str]) -> dict[str, Any]:
        """The tool_use block of a call, with an empty input. Adds its id to `used`."""
        id = call_ids.encode(call.id) if call.id else ""
        if not id or id in used or id in self.ids:
            id = f"toolu_{self.new_id()}"
        used.add(id)
        name = self.names.own(call.name)
        return {"type": "tool_use", "id": id, "name": name, "input": {}}


def stop(
    finish: str | None, matched: Any, arguments: Iterable[str], context: Context
) -> dict[str, str | None]:
    """The stop reason and stop sequence. `arguments` are those of the tool calls. If there are any,
    the reason is `tool_use` whatever the provider reports, unless the answer was cut off inside a
    call's arguments: then it is `max_tokens`.
    """
    sequence = matched if matched in context.stops else None
    reason = stops.reason(finish)
    if reason not in _STOPS:
        reason = "stop_sequence" if sequence else "end_turn"
    cut = False
    for text in arguments:
        reason = "tool_use"
        cut = cut or ((finish is None or stops.is_cut(finish)) and _is_cut(text))
    return {"stop_reason": "max_tokens" if cut else reason, "stop_sequence": sequence}


def translate(body: bytes, context: Context) -> bytes:
    """Translate a whole answer.

    Raises:
        ValueError: the body isn't an answer, or is an error with status 200.
    """
    completion = completions.read_leniently(body)
    if completion.failed():
        raise ValueError("body: expected an answer, got an error")
    choices = completion.choices or []
    given = [choice.message for choice in choices if choice.message is not None]
    if not given:
        raise ValueError("choices: expected a message, got none")
    finish = next((choice.finish_reason for choice in choices if choice.finish_reason), None)
    if finish and stops.is_failure(finish):
        raise ValueError(stops.failure(finish))
    used: set[str] = set()
    content = [block for message in given for block in _blocks(message, finish, context, used)]
    ending = stop(
        finish,
        next((choice.stop_reason for choice in choices if choice.stop_reason), None),
        [call.arguments() for message in given for call in _calls(message)],
        context,
    )
    content = content or [{"type": "text", "text": requests.EMPTY}]
    counted = {"usage": completions.usage(completion) or completions.NO_USAGE}
    return msgspec.json.encode(context.envelope() | {"content": content} | ending | counted)


def _calls(message: completions.Delta) -> Iterator[completions.ToolCall]:
    """The calls that have a name: a call without one can't be made."""
    return (call for call in completions.tool_calls(message) if call.name)


def _blocks(
    message: completions.Delta, finish: str | None, context: Context, used: set[str]
) -> Iterator[dict[str, Any]]:
    texts = dict(completions.pieces(message))
    thought, text = texts.get("thinking", ""), texts.get("text", "")
    form = completions.form(message)
    if context.has_think_tags and not thought:
        splitter = think_tags.Splitter()
        parts = [*splitter.feed(text), *splitter.end()]
        thought = "".join(part.text for part in parts if part.kind == "thinking")
        text = "".join(part.text for part in parts if part.kind == "text")
        form = "tags" if thought else form
    details = reasoning.Details()
    details.merge(completions.details(message))
    if (thought.strip() and not context.strips) or (context.tags and details.is_sealed):
        signature = context.signature(reasoning.payload(form, details.whole()))
        shown = "" if context.strips else thought
        yield {"type": "thinking", "thinking": shown, "signature": signature}
    if text.strip():
        yield {"type": "text", "text": text}
    for call in _calls(message):
        block = context.call_block(call, used)
        if call.extra_content and context.tags:
            payload = reasoning.call_payload(block["id"], call.extra_content)
            yield {"type": "thinking", "thinking": "", "signature": context.signature(payload)}
        yield block | {"input": msgspec.Raw(arguments(call.arguments(), finish))}
