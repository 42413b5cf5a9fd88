"""Leaves out of a Chat Completions request what a profile's `drop` names, and what the model refuses."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from typing import Any

import msgspec

from claude_route import targets
from claude_route.dialects import keywords
from claude_route.dialects import parameters
from claude_route.dialects.chat import openapi
from claude_route.dialects.chat import quirks
from claude_route.wire import rawjson

type _Chat = dict[str, Any]


def apply(
    chat: _Chat,
    provider: targets.Provider,
    target_quirks: quirks.Quirks,
    report: Callable[[str], None],
) -> None:
    """Change a request, and report the key paths that it loses."""
    parts = parameters.sort(provider.drop)
    unwanted = parts.fields.union(target_quirks.refused) - provider.set.keys()
    for field in sorted(chat.keys() & unwanted):
        report(field)
        del chat[field]
    for field, key in parts.nested:
        value = chat.get(field)
        if isinstance(value, dict) and key in value and field not in provider.set:
            report(f"{field}.{key}")
            chat[field] = {k: v for k, v in value.items() if k != key}
    if parts.cache:
        _shorten_points(chat, parts.cache)
    if parts.keywords or target_quirks.few_keywords:
        _reshape(chat, parts.keywords, target_quirks)


def _shorten_points(chat: _Chat, unwanted: Collection[str]) -> None:
    contents = [message.get("content") for message in chat["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    for holder in (chat, *parts):
        if point := holder.get("cache_control"):
            holder["cache_control"] = {k: v for k, v in point.items() if k not in unwanted}


def _reshape(chat: _Chat, unwanted: Collection[str], target_quirks: quirks.Quirks) -> None:
    """Rewrite the schemas of the tools and of the answer."""
    for tool in chat.get("tools", ()):
        function = tool["function"]
        function["parameters"] = _schema(function["parameters"], unwanted, target_quirks)
    if "response_format" in chat:
        shape = chat["response_format"]["json_schema"]
        shape["schema"] = _schema(shape["schema"], unwanted, target_quirks)


def _schema(schema: Any, unwanted: Collection[str], target_quirks: quirks.Quirks) -> Any:
    text = msgspec.json.encode(schema)
    is_suspect = target_quirks.few_keywords and openapi.is_suspect(text)
    # Most schemas need no change, and finding that out is cheaper than decoding them.
    if not (is_suspect or any(f'"{keyword}"'.encode() in text for keyword in unwanted)):
        return schema
    value = rawjson.decode(text, object, "tools[].input_schema")
    if is_suspect:
        value = openapi.rewrite(value)
    return keywords.without(value, unwanted)
