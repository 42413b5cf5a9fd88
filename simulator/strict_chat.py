"""What OpenAI's Chat Completions refuses, in its words, and what strict providers do besides."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from simulator import shapes
from simulator.history import Problems

Body = Mapping[str, Any]

FIELDS = {
    *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"),
    *("temperature", "top_p", "n", "stop", "seed", "user", "metadata", "store", "service_tier"),
    *("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "audio"),
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"),
    *("verbosity", "prediction", "modalities", "web_search_options", "safety_identifier"),
    *("prompt_cache_key", "prompt_cache_retention"),
}
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    # The reasoning is not OpenAI's; those who send it want it back.
    "assistant": {
        *("role", "content", "name", "tool_calls", "refusal", "audio"),
        *("reasoning_content", "reasoning", "reasoning_details"),
    },
    "tool": {"role", "content", "tool_call_id"},
}
PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "file", "input_audio"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
FUNCTION_FIELDS = {"name", "description", "parameters", "strict"}
NOT_AT_THE_TOP = ("oneOf", "anyOf", "allOf", "enum", "not")
PATTERN = "^[a-zA-Z0-9_-]+$"
JSON = {"str": "a string", "array": "an array", "object": "an object"}
THINKERS = re.compile(r"^(?:openai/)?(?:o\d|gpt-5)")


def shape(body: Any) -> Problems:
    """What keeps a body from being read at all; the other checks rely on it."""
    misfit = shapes.misfit(body, shapes.Chat)
    if misfit is None:
        return
    if misfit.expected is None:
        yield f"Missing required parameter: '{misfit.path}'."
    elif misfit.path:
        words = (JSON.get(word, word) for word in misfit.expected.split(" | "))
        yield f"Invalid type for '{misfit.path}': expected {' or '.join(words)}."
    else:
        yield "We could not parse the JSON body of your request."


def problems(body: Body, *, reasoning_required: bool) -> Problems:
    """All that is wrong with a body of good shape."""
    yield from _fields(body)
    yield from _tools(body)
    yield from _not_empty("messages", body["messages"])
    for n, message in enumerate(body["messages"]):
        yield from _message(f"messages[{n}]", n, message)
    yield from _pairs(body["messages"])
    if reasoning_required:
        yield from _reasoning(body["messages"])


def _fields(body: Body) -> Problems:
    for name in body:
        if name not in FIELDS:
            yield f"Unknown parameter: '{name}'."
    thinker = THINKERS.match(body["model"]) is not None
    if "max_tokens" in body and "max_completion_tokens" in body:
        yield "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    if "max_tokens" in body and thinker:
        yield (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead."
        )
    if body.get("temperature", 1) != 1 and thinker:
        yield (
            "Unsupported value: 'temperature' does not support the value given with this model."
            " Only the default (1) value is supported."
        )
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        yield _too_long("stop", "array", 4, len(stop))
    yield from _at_most("user", body.get("user"), 64)
    if "stream_options" in body and body.get("stream") is not True:
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not body.get("tools"):
            yield f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."


def _tools(body: Body) -> Problems:
    offered = body.get("tools") or ()
    yield from _not_empty("tools", body.get("tools"))
    if len(offered) > 128:
        yield _too_long("tools", "array", 128, len(offered))
    names = set()
    for n, tool in enumerate(offered):
        function = tool.get("function")
        if tool.get("type") != "function" or not function:
            yield f"Invalid value for 'tools[{n}]': expected type 'function' with a function."
            continue
        for name in tool.keys() - {"type", "function"}:
            yield f"Unknown parameter: 'tools[{n}].{name}'."
        for name in function.keys() - FUNCTION_FIELDS:
            yield f"Unknown parameter: 'tools[{n}].function.{name}'."
        yield from _name(f"tools[{n}].function.name", function.get("name"))
        schema = function.get("parameters")
        kind = "object" if schema is None else schema.get("type")
        if kind != "object":
            yield (
                f"Invalid schema for function '{function.get('name')}': schema must be a JSON"
                f" Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
            )
        elif schema and not schema.keys().isdisjoint(NOT_AT_THE_TOP):
            combiners = "/".join(f"'{name}'" for name in NOT_AT_THE_TOP)
            yield (
                f"Invalid schema for function '{function.get('name')}': schema must have type"
                f" 'object' and not have {combiners} at the top level."
            )
        names.add(function.get("name"))
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        chosen = (choice.get("function") or {}).get("name")
        if chosen not in names:
            yield f"Invalid value for 'tool_choice': no function named '{chosen}' was specified."
    elif choice not in (None, "none", "auto", "required"):
        yield (f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.")


def _message(place: str, n: int, message: Body) -> Problems:
    role = message.get("role")
    if role not in MESSAGE_FIELDS:
        yield (
            f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user',"
            " 'function', 'tool', and 'developer'."
        )
        return
    if n and role in ("system", "developer"):
        yield "System message must be at the beginning."
    for name in message.keys() - MESSAGE_FIELDS[role]:
        yield f"Unknown parameter: '{place}.{name}'."
    yield from _content(place, role, message)
    if role == "tool" and not message.get("tool_call_id"):
        yield f"Missing required parameter: '{place}.tool_call_id'."
    yield from _not_empty(f"{place}.tool_calls", message.get("tool_calls"))
    for m, call in enumerate(message.get("tool_calls") or ()):
        yield from _call(f"{place}.tool_calls[{m}]", call)


def _content(place: str, role: str, message: Body) -> Problems:
    content = message.get("content")
    if content is None and not (role == "assistant" and message.get("tool_calls")):
        yield "Invalid value for 'content': expected a string, got null."
    # OpenAI lets an empty text pass, others do not.
    if content == "" and role == "user":
        yield f"Invalid '{place}.content': must not be empty."
    if not isinstance(content, list):
        return
    yield from _not_empty(f"{place}.content", content)
    for m, part in enumerate(content):
        kind = part.get("type")
        if kind == "image_url" and role != "user":
            yield (
                f"Invalid '{place}'. Image URLs are only allowed for messages with role 'user', but"
                f" this message with role '{role}' contains an image URL."
            )
        elif kind not in PARTS[role]:
            yield f"Invalid value: '{kind}' in '{place}.content[{m}].type'."
        elif part.get(kind) is None:
            yield f"Missing required parameter: '{place}.content[{m}].{kind}'."
        elif part[kind] == "":
            yield f"Invalid '{place}.content[{m}].text': must not be empty."
        for name in part.keys() - {"type", kind}:
            yield f"Unknown parameter: '{place}.content[{m}].{name}'."


def _call(place: str, call: Body) -> Problems:
    function = call.get("function")
    if call.get("type") != "function" or not function:
        yield f"Invalid value for '{place}': expected type 'function' with a function."
        return
    if not call.get("id"):
        yield f"Missing required parameter: '{place}.id'."
    yield from _at_most(f"{place}.id", call.get("id"), 40)
    yield from _name(f"{place}.function.name", function.get("name"))
    try:
        decoded = json.loads(function.get("arguments") or "")
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        yield f"Invalid '{place}.function.arguments': expected a JSON object."


def _pairs(history: Sequence[Body]) -> Problems:
    """Each call answered by a tool message before anyone else speaks, and nothing else answered."""
    waiting: list[str] = []
    for n, message in enumerate([*history, {"role": "user"}]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield (
                    f"Invalid parameter: messages[{n}]: messages with role 'tool' must be a response"
                    " to a preceeding message with 'tool_calls'."
                )
                return
            waiting.remove(message["tool_call_id"])
        elif waiting:
            yield (
                "An assistant message with 'tool_calls' must be followed by tool messages"
                " responding to each 'tool_call_id'. The following tool_call_ids did not have"
                f" response messages: {', '.join(waiting)}"
            )
            return
        else:
            waiting = [call["id"] for call in message.get("tool_calls") or ()]


def _reasoning(history: Sequence[Body]) -> Problems:
    """What Kimi asks for while it thinks."""
    for n, message in enumerate(history):
        if message.get("tool_calls") and not isinstance(message.get("reasoning_content"), str):
            yield (
                "thinking is enabled but reasoning_content is missing in assistant tool call"
                f" message at index {n}"
            )


def _not_empty(place: str, value: Sequence[Any] | None) -> Problems:
    if value is not None and not value:
        yield (
            f"Invalid '{place}': empty array. Expected an array with minimum length 1, but got an"
            " empty array instead."
        )


def _name(place: str, name: str | None) -> Problems:
    if not name:
        yield f"Missing required parameter: '{place}'."
    elif not re.fullmatch("[a-zA-Z0-9_-]+", name):
        yield (
            f"Invalid '{place}': string does not match pattern. Expected a string that matches the"
            f" pattern '{PATTERN}'."
        )
    else:
        yield from _at_most(place, name, 64)


def _at_most(place: str, value: str | None, limit: int) -> Problems:
    if value is not None and len(value) > limit:
        yield _too_long(place, "string", limit, len(value))


def _too_long(place: str, kind: str, limit: int, length: int) -> str:
    article = "an array" if kind == "array" else "a string"
    return (
        f"Invalid '{place}': {kind} too long. Expected {article} with maximum length {limit}, but"
        f" got {article} with length {length} instead."
    )
