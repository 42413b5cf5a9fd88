"""Flattens tool schemas for Anthropic, which refuses oneOf, anyOf and allOf at the top."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from claude_route.wire import rawjson

_COMBINERS = ("allOf", "anyOf", "oneOf")
_MAX_DEPTH = 32
_MAX_VARIANTS = 100
"""Of one property. A new one is compared with all before."""
_MAX_REFERENCES = 100
"""Each may lead to all of the schema."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])

type _Schema = dict[str, Any]


def flatten_tools(tools: msgspec.Raw) -> msgspec.Raw | None:
    """The tools with flat schemas; None if all are flat already.

    Raises:
        ValueError: a tool isn't an object.
    """
    if not rawjson.is_array(tools):
        return None
    listed = rawjson.decode(tools, list[dict[str, msgspec.Raw]], "tools")
    combined = {n: tool for n, tool in enumerate(listed) if _is_combined(tool)}
    for n, tool in combined.items():
        place = f"tools[{n}].input_schema"
        schema = rawjson.decode(tool["input_schema"], dict[str, Any], place)
        listed[n] = tool | {"input_schema": rawjson.encode(flatten(schema))}
    return rawjson.encode(listed) if combined else None


def _is_combined(tool: dict[str, msgspec.Raw]) -> bool:
    try:
        schema = _FIELDS.decode(tool.get("input_schema", rawjson.NULL))
    except rawjson.REFUSALS:
        return False
    return not schema.keys().isdisjoint(_COMBINERS)


def flatten(schema: _Schema) -> _Schema:
    """A schema without combiners at its top that accepts all that this one accepts, and more.

    All schemas in allOf apply, so their properties and `required` are merged. Only some in anyOf and
    oneOf apply, so their properties are merged, and none is `required`.
    """
    return _flatten(schema, schema, set(), 0)


def _flatten(schema: _Schema, root: _Schema, seen: set[str], depth: int) -> _Schema:
    properties = dict(_object(schema.get("properties")))
    required = [name for name in _array(schema.get("required")) if isinstance(name, str)]
    alternatives = False
    for combiner in _COMBINERS:
        for branch in _branches(schema.get(combiner), root, seen):
            if depth == _MAX_DEPTH:
                continue
            part = _flatten(branch, root, seen, depth + 1)
            _merge(properties, part["properties"], "allOf" if combiner == "allOf" else "anyOf")
            required += part.get("required", ())
        alternatives = alternatives or (combiner != "allOf" and combiner in schema)
    flat = {key: value for key, value in schema.items() if key not in _COMBINERS}
    flat |= {"type": "object", "properties": properties, "required": list(dict.fromkeys(required))}
    if alternatives or not required:
        del flat["required"]
    return flat


def _branches(listed: Any, root: _Schema, seen: set[str]) -> Iterator[_Schema]:
    """The schemas of a combiner, with references resolved. Each reference only once: they may be
    circular."""
    for branch in map(_object, _array(listed)):
        reference = branch.get("$ref")
        if not isinstance(reference, str):
            yield branch
        elif reference not in seen and len(seen) < _MAX_REFERENCES:
            seen.add(reference)
            yield _resolve(reference, root) | branch


def _resolve(reference: str, root: _Schema) -> _Schema:
    """The target of a JSON pointer into the schema itself; `{}` for any other reference."""
    value: Any = root
    for key in reference.removeprefix("#").split("/")[1:]:
        value = _object(value).get(key.replace("~1", "/").replace("~0", "~"))
    return _object(value) if reference.startswith("#") else {}


def _merge(properties: _Schema, more: _Schema, combiner: str) -> None:
    """Add properties. One with two schemas gets both in a combiner, which Anthropic accepts below the
    top."""
    for name, schema in more.items():
        present = properties.setdefault(name, schema)
        if present == schema:
            continue
        if isinstance(present, dict) and present.keys() == {combiner}:
            if len(present[combiner]) == _MAX_VARIANTS:
                properties[name] = {}  # whatever it is
            elif schema not in present[combiner]:
                properties[name] = {combiner: [*present[combiner], schema]}
        else:
            properties[name] = {combiner: [present, schema]}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
