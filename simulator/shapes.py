"""The types of what we read in requests: the checks and answers built on them need no others."""

from __future__ import annotations

import re
from typing import Any
from typing import NamedTuple

import msgspec

Object = dict[str, Any]


class Source(msgspec.Struct):
    type: str | None = None
    media_type: str | None = None
    data: str | None = None


class Block(msgspec.Struct):
    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Object | None = None
    tool_use_id: str | None = None
    content: str | list[Block] | Object | None = None
    source: Source | str | None = None
    cache_control: Object | None = None


class Message(msgspec.Struct):
    role: str
    content: str | list[Block]


class Tool(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    input_schema: Object | None = None
    cache_control: Object | None = None


class Thinking(msgspec.Struct):
    type: str | None = None
    display: str | None = None
    budget_tokens: int | None = None


class Edit(msgspec.Struct):
    type: str | None = None


class ContextManagement(msgspec.Struct):
    edits: list[Edit] | None = None


class Thread(msgspec.Struct):
    type: str | None = None
    previous_message_id: str | None = None


class Choice(msgspec.Struct):
    type: str | None = None


class OutputConfig(msgspec.Struct):
    effort: str | None = None


class Messages(msgspec.Struct):
    """A request to the Messages API."""

    model: str
    messages: list[Message]
    max_tokens: int | None = None
    stream: bool | None = None
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    thinking: Thinking | None = None
    context_management: ContextManagement | None = None
    thread: Thread | None = None
    tool_choice: Choice | None = None
    output_config: OutputConfig | None = None


class ImageUrl(msgspec.Struct):
    url: str


class Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    parameters: Object | None = None


class Call(msgspec.Struct):
    """A tool call, a tool that is offered, or the choice of one."""

    type: str | None = None
    id: str | None = None
    function: Function | None = None


class ChatMessage(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Chat(msgspec.Struct):
    """A request to Chat Completions."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Call] | None = None
    tool_choice: str | Call | None = None
    reasoning_effort: str | None = None
    user: str | None = None


class Misfit(NamedTuple):
    path: str
    """Such as messages[0].content, empty for the body as a whole."""
    expected: str | None
    """None for a required field that is missing."""


_PROBLEM = re.compile(
    r"(?:Object missing required field `(?P<field>.*?)`|Expected `(?P<expected>.*?)`, got `.*?`)"
    r"(?: - at `\$\.?(?P<path>.*)`)?"
)


def misfit(body: Any, kind: type[msgspec.Struct]) -> Misfit | None:
    """Where a body doesn't have that type; None if it has."""
    if not isinstance(body, dict):
        return Misfit("", "object")
    try:
        msgspec.convert(body, kind)
    except msgspec.ValidationError as e:
        match = _PROBLEM.fullmatch(str(e))
        assert match is not None, e
        path = match["path"] or ""
        if match["field"] is None:
            return Misfit(path, match["expected"].removesuffix(" | null"))
        return Misfit(f"{path}.{match['field']}".lstrip("."), None)
    return None
