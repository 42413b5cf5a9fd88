"""Leaves out of a Messages request what a profile's `drop` names; see `dialects.parameters`."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from typing import Any

import msgspec

from claude_route.dialects import keywords
from claude_route.dialects import parameters
from claude_route.dialects.messages import levels
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

_CACHE_KEY = b'"cache_control"'

_CACHED = ("cache_control", "messages", "system", "tools")
"""The fields that may have cache points."""

_SCHEMAS = ("output_config", "output_format", "tools")
"""The fields that have schemas."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])

type _Object = dict[str, msgspec.Raw]


def edits(fields: requests.Edits, drop: tuple[str, ...]) -> dict[str, msgspec.Raw | None]:
    """The changes to these fields of a request.

    Raises:
        ValueError: a part isn't in Anthropic's form.
    """
    parts = parameters.sort(drop)
    changed: dict[str, msgspec.Raw | None] = {}
    for name, raw in fields.items():
        if raw is None:
            continue
        if name in parts.fields:
            changed[name] = None
            continue
        inner = [key for group, key in parts.nested if group == name]
        new: msgspec.Raw | None = _without(raw, inner) if inner else raw
        if new is not None and parts.keywords and name in _SCHEMAS:
            new = _with_fewer_keywords(name, new, parts.keywords)
        if new is not None and parts.cache and name in _CACHED:
            new = _uncached(name, new, parts.cache)
        if new is not raw:
            changed[name] = new
    return changed


def _without(raw: msgspec.Raw, keys: Collection[str]) -> msgspec.Raw | None:
    """An object without some fields; None if it has no others, the same object if it has none of them."""
    value = _object(raw)
    if value is None or value.keys().isdisjoint(keys):
        return raw
    kept = {key: field for key, field in value.items() if key not in keys}
    return rawjson.encode(kept) if kept else None


def _with_fewer_keywords(name: str, raw: msgspec.Raw, unwanted: Collection[str]) -> msgspec.Raw:
    # Most schemas have none of them, and finding that out is cheaper than decoding them.
    text = bytes(raw)
    if not any(f'"{keyword}"'.encode() in text for keyword in unwanted):
        return raw
    if name == "tools" and rawjson.is_array(raw):
        tools = rawjson.decode(raw, list[_Object], name)
        return _encoded(raw, [_with(tool, "input_schema", unwanted) for tool in tools], tools)
    shape = _object(raw) or {}
    if name == "output_format":
        return _encoded(raw, _with(shape, "schema", unwanted), shape)
    if "format" not in shape:
        return raw
    changed = _with_fewer_keywords("output_format", shape["format"], unwanted)
    return _encoded(raw, shape | {"format": changed}, shape)


def _with(holder: _Object, key: str, unwanted: Collection[str]) -> _Object:
    if key not in holder:
        return holder
    schema = rawjson.decode(holder[key], object, key)
    fewer = keywords.without(schema, unwanted)
    return holder if fewer == schema else holder | {key: rawjson.encode(fewer)}


def _uncached(name: str, raw: msgspec.Raw, fields: Collection[str]) -> msgspec.Raw | None:
    if name == "cache_control":
        return _point(raw, fields)
    if _CACHE_KEY not in bytes(raw) or not rawjson.is_array(raw):
        return raw
    listed = rawjson.decode(raw, list[_Object], name)
    if name != "messages":
        return _encoded(raw, [_unmarked(block, fields) for block in listed], listed)
    return _encoded(raw, list(_messages(listed, fields)), listed)


def _messages(listed: list[_Object], fields: Collection[str]) -> Iterator[_Object]:
    for message in listed:
        content = message.get("content", rawjson.NULL)
        fewer = _blocks(content, fields)
        yield message if fewer is content else message | {"content": fewer}


def _blocks(content: msgspec.Raw, fields: Collection[str], level: int = 1) -> msgspec.Raw:
    if not rawjson.is_array(content) or _CACHE_KEY not in bytes(content):
        return content
    levels.check(level)
    blocks = rawjson.decode(content, list[_Object], "content")
    return _encoded(content, [_unmarked(block, fields, level) for block in blocks], blocks)


def _unmarked(block: _Object, fields: Collection[str], level: int = 1) -> _Object:
    """A block or a tool without its cache point. Tool results have blocks of their own."""
    if "cache_control" in block:
        point = _point(block["cache_control"], fields)
        rest = {key: value for key, value in block.items() if key != "cache_control"}
        block = rest if point is None else block | {"cache_control": point}
    if "content" in block:
        fewer = _blocks(block["content"], fields, level + 1)
        if fewer is not block["content"]:
            block = block | {"content": fewer}
    return block


def _point(raw: msgspec.Raw, fields: Collection[str]) -> msgspec.Raw | None:
    """A cache point without some of its fields; None if it is dropped."""
    return None if "type" in fields else _without(raw, fields)


def _object(raw: msgspec.Raw) -> _Object | None:
    try:
        return _OBJECT.decode(raw)
    except rawjson.REFUSALS:
        return None


def _encoded(raw: msgspec.Raw, new: Any, old: Any) -> msgspec.Raw:
    return raw if new == old else rawjson.encode(new)
