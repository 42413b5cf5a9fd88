"""Translates a Messages request to a Chat Completions request.

https://platform.claude.com/docs/en/api/messages and https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route import targets
from claude_route.dialects import claude_models
from claude_route.dialects import parameters
from claude_route.dialects import thinking_rules
from claude_route.dialects.chat import fields
from claude_route.dialects.chat import omissions
from claude_route.dialects.chat import parts
from claude_route.dialects.chat import quirks
from claude_route.dialects.chat import tool_names
from claude_route.dialects.chat import tools
from claude_route.dialects.chat import turns
from claude_route.dialects.messages import foreign
from claude_route.dialects.messages import foreign_blocks
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

_ROLES = {"user", "assistant", "system"}

_STOPS = 4
"""The most stop sequences that OpenAI accepts."""

_EFFORTS = {"max": "high", "xhigh": "high"}
"""Efforts that few providers know. For those that do, use the profile's `set`."""


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int = 0


class _Format(msgspec.Struct):
    type: str
    schema: msgspec.Raw = msgspec.Raw()


class _OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class Translation(NamedTuple):
    """A request for one target, and what translating its answer requires."""

    body: bytes
    dropped: tuple[str, ...]
    """The key paths of what has no equivalent in Chat Completions, without content."""
    names: tool_names.Names
    stops: tuple[str, ...]
    ids: set[str]
    """The ids of the tool calls in the conversation."""


def translate(request: requests.Request, target: targets.Target) -> Translation:
    """The request for a target.

    Raises:
        ValueError: the body isn't a Messages request; the message says where.
    """
    target_quirks = quirks.of(target)
    request_fields = fields.Fields(request.fields)
    request_fields.take("model", str)
    conversation = request_fields.take("messages", list[turns.Message], [])
    # Only `system` messages change tools.
    is_plain = request.survey is not None and not request.survey.is_for_anthropic
    request_tools = tools.read(request_fields, [] if is_plain else request.messages)
    names = tool_names.Names(tool.name for tool in request_tools)
    rules = thinking_rules.of(target)
    chat_turns = turns.Turns(
        names, target_quirks, target.provider, request_fields.drop, returned=rules.returned
    )
    _converse(conversation, chat_turns)
    if any(message.output_config is not None for message in conversation):
        request_fields.drop("messages[].output_config")
    sampling = _sampling(request_fields, target_quirks)
    functions = tools.functions(request_fields, request_tools, names)
    is_forced = functions.get("tool_choice", "none") != "none"
    is_unthinking = rules.unforced and is_forced
    if (is_unthinking and rules.always) or (
        is_forced and claude_models.refuses_force(target.model)
    ):
        request_fields.drop("tool_choice")
        del functions["tool_choice"]
        is_unthinking = False
    chat = {
        "model": target.model,
        "messages": _system(request_fields, target_quirks) + chat_turns.sent,
        **functions,
        **sampling,
        **_thinking(request_fields, target_quirks, rules, is_off=is_unthinking),
        **_limit(request_fields, target_quirks, target.provider),
        **_user(request_fields),
    }
    if request_fields.take("stream", bool):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    if "tools" in chat and not target_quirks.tools_with_effort:
        if chat.get("reasoning_effort", "none") != "none":
            request_fields.drop("thinking")
        # The models that have an effort by default refuse tools unless it is switched off.
        chat["reasoning_effort"] = "none"
    if target_quirks.cache == "all" and (point := request_fields.take("cache_control", dict)):
        chat["cache_control"] = parts.point(point)
    provider = target.provider
    omissions.apply(chat, provider, target_quirks, request_fields.drop)
    chat |= {
        field: value for field, value in provider.set.items() if field not in parameters.LIMITS
    }
    return Translation(
        msgspec.json.encode(chat),
        request_fields.dropped(),
        names,
        tuple(sampling.get("stop", ())),
        chat_turns.ids,
    )


def _converse(conversation: list[turns.Message], chat_turns: turns.Turns) -> None:
    """Pass the messages to `turns`, merging adjacent messages of one role as Anthropic does."""
    for n, message in enumerate(conversation):
        if message.role not in _ROLES:
            expected = "user, assistant or system"
            raise ValueError(f"messages[{n}].role: expected {expected}, got something else")
    sides = itertools.groupby(conversation, key=lambda message: message.role == "assistant")
    for assistant, side in sides:
        blocks = itertools.chain.from_iterable(map(_blocks, side))
        try:
            (chat_turns.assistant if assistant else chat_turns.user)(blocks)
        except rawjson.REFUSALS as e:
            raise ValueError(rawjson.explain(e, "messages[].content[]")) from e
    chat_turns.end()


def _blocks(message: turns.Message) -> Iterable[parts.Block]:
    blocks = message.content
    if isinstance(blocks, str):
        blocks = [parts.Block("text", text=blocks)]
    return map(_reminder, blocks) if message.role == "system" else blocks


def _reminder(block: parts.Block) -> parts.Block:
    """A block of a `system` message within the conversation, as a reminder: strict chat templates accept
    `system` only at the start."""
    if block.type != "text" or not block.text:
        return block
    text = foreign_blocks.reminder(block.text)
    return parts.Block("text", text=text, cache_control=block.cache_control)


def _system(request_fields: fields.Fields, target_quirks: quirks.Quirks) -> list[dict[str, Any]]:
    system = request_fields.take("system", str | list[dict[str, Any]], "")
    if isinstance(system, str):
        system = [{"type": "text", "text": foreign.unbilled(system)}]
    texts: list[parts.Part] = []
    kept = {"type", "text"} if target_quirks.cache == "no" else {"type", "text", "cache_control"}
    for block in system:
        text = block.get("text")
        if not isinstance(text, str):
            request_fields.drop(f"system[].{block.get('type')}")
        elif text.startswith(foreign.BILLING):
            request_fields.drop(f"system[].{foreign.BILLING}")
        elif text:
            point = block.get("cache_control") if "cache_control" in kept else None
            texts.append(parts.marked(text, point))
        for field in sorted(block.keys() - kept):
            request_fields.drop(f"system[].{field}")
    role = "developer" if target_quirks.reasons else "system"
    return [{"role": role, "content": parts.content(texts)}] if texts else []


def _sampling(request_fields: fields.Fields, target_quirks: quirks.Quirks) -> dict[str, Any]:
    stops = request_fields.take("stop_sequences", list[str], [])
    sampling = {
        "temperature": request_fields.take("temperature", float),
        "top_p": request_fields.take("top_p", float),
        "stop": stops[:_STOPS] or None,
    }
    given = {field: value for field, value in sampling.items() if value is not None}
    if target_quirks.reasons:
        for field in given:
            request_fields.drop("stop_sequences" if field == "stop" else field)
        return {}
    if len(stops) > _STOPS:
        request_fields.drop(f"stop_sequences[{_STOPS}:]")
    return given


def _thinking(
    request_fields: fields.Fields,
    target_quirks: quirks.Quirks,
    rules: thinking_rules.Rules,
    *,
    is_off: bool,
) -> dict[str, Any]:
    """The fields about thinking and the form of the answer. `is_off`: it can't think for this request."""
    thinking = request_fields.take("thinking", _Thinking)
    if is_off:
        thinking = _Thinking("disabled")
    config = request_fields.take("output_config", _OutputConfig, _OutputConfig())
    shape = request_fields.take("output_format", _Format) or config.format
    sent: dict[str, Any] = {}
    if shape is not None and not (shape.type == "json_schema" and shape.schema):
        request_fields.drop("output_config.format")
    elif shape is not None:
        schema = {"name": "output", "schema": shape.schema}
        sent["response_format"] = {"type": "json_schema", "json_schema": schema}
    effort = None if thinking is None else _effort(thinking, config.effort, target_quirks)
    if effort is not None and target_quirks.effort:
        sent["reasoning_effort"] = effort
    elif thinking is not None and thinking.type != "disabled":
        request_fields.drop("thinking")
    elif config.effort:
        request_fields.drop("output_config.effort")
    if thinking is not None and thinking.type == "disabled":
        sent |= rules.chat_switch
    return sent


def _effort(thinking: _Thinking, effort: str | None, target_quirks: quirks.Quirks) -> str | None:
    if thinking.type == "disabled":
        # Other providers share no value that switches thinking off. Some have a field for it.
        return target_quirks.least if target_quirks.least != "low" else None
    if effort is not None:
        return _EFFORTS.get(effort, effort)
    if thinking.type != "enabled":
        return None
    if thinking.budget_tokens >= 10000:
        return "high"
    if thinking.budget_tokens >= 5000:
        return "medium"
    if thinking.budget_tokens >= 2000 or target_quirks.least == "none":
        return "low"
    return target_quirks.least


def _limit(
    request_fields: fields.Fields, target_quirks: quirks.Quirks, provider: targets.Provider
) -> dict[str, Any]:
    """The limit of output tokens, under the name that the target accepts. The profile's `set` caps it."""
    name, other = parameters.LIMITS
    caps = [provider.set.get(name), provider.set.get(other)]
    given = [request_fields.take("max_tokens", int), *caps]
    limits = [limit for limit in given if limit is not None]
    if target_quirks.reasons or other in provider.set:
        name, other = other, name
    if name in provider.drop and name not in provider.set:
        name = other
    return {name: min(limits)} if limits else {}


def _user(request_fields: fields.Fields) -> dict[str, Any]:
    # OpenAI accepts 64 characters. Claude Code's user_id is longer, and tells more than necessary.
    user = request_fields.take("metadata", _Metadata, _Metadata()).user_id
    return {"user": hashlib.sha256(user.encode()).hexdigest()} if user else {}
