"""Rewrites schemas in the keywords of OpenAPI 3.0, the only ones that Gemini accepts for tools.

https://ai.google.dev/api/caching#Schema. The rewritten schema accepts all that the original accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from claude_route.dialects import keywords

_REFUSED = frozenset(
    {
        *("$anchor", "$comment", "$id", "$schema", "allOf", "const", "contains", "contentEncoding"),
        *("contentMediaType", "dependencies", "dependentRequired", "dependentSchemas"),
        *("deprecated", "else", "examples", "exclusiveMaximum", "exclusiveMinimum", "if"),
        *("maxContains", "minContains", "multipleOf", "not", "oneOf", "patternProperties"),
        *("propertyNames", "readOnly", "then", "unevaluatedItems", "unevaluatedProperties"),
        *("uniqueItems", "writeOnly"),
    }
)

_FORMATS = {"date-time", "double", "enum", "float", "int32", "int64"}

_SUSPECT = re.compile(
    rb'"(?:%s|format|enum)"\s*+:|"type"\s*+:\s*+\['
    % b"|".join(re.escape(keyword.encode()) for keyword in _REFUSED)
)
"""In a schema without a match nothing has to change."""

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}

type _Schema = keywords.Schema


def is_suspect(schema: bytes) -> bool:
    """Whether a schema may have to be rewritten."""
    return _SUSPECT.search(schema) is not None


def rewrite(schema: Any) -> Any:
    return keywords.change(schema, _rewrite)


def _rewrite(schema: _Schema) -> _Schema:
    node = _merged(schema)
    kept = {keyword: value for keyword, value in node.items() if keyword not in _REFUSED}
    for bound in ("minimum", "maximum"):
        limit = node.get(f"exclusive{bound.capitalize()}")
        if _is_number(limit):
            kept.setdefault(bound, limit)
    if "const" in node:
        kept.setdefault("type", _TYPES.get(type(node["const"]), "string"))
        kept["enum"] = [node["const"]]
    if "oneOf" in node:
        kept.setdefault("anyOf", node["oneOf"])
    if isinstance(kept.get("type"), list):
        _split_types(kept)
    if "enum" in kept:
        _limit_enum(kept)
    if isinstance(kept.get("format"), str) and kept["format"] not in _FORMATS:
        del kept["format"]
    return kept


def _merged(schema: _Schema) -> _Schema:
    """The schema with those of `allOf` in it. Of a keyword that several have, the first one counts."""
    node: _Schema = {}
    names: set[str] = set()
    for part in _parts(schema):
        for keyword, value in part.items():
            if keyword not in node:
                node[keyword] = value
                if keyword == "properties" and isinstance(value, dict):
                    node[keyword] = value.copy()
                elif keyword == "required" and isinstance(value, list):
                    node[keyword] = value.copy()
                    names.update(name for name in value if isinstance(name, str))
                continue
            present = node[keyword]
            if keyword == "properties" and isinstance(present, dict) and isinstance(value, dict):
                present |= {k: v for k, v in value.items() if k not in present}
            elif keyword == "required" and isinstance(present, list) and isinstance(value, list):
                added = [n for n in value if isinstance(n, str) and n not in names]
                present += added
                names.update(added)
    return node


def _parts(schema: _Schema) -> Iterator[_Schema]:
    """A schema and those of its `allOf`, each before its own. Not recursive: each may have another."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        yield part
        listed = part.get("allOf")
        if isinstance(listed, list):
            waiting += [item for item in reversed(listed) if isinstance(item, dict)]


def _split_types(node: _Schema) -> None:
    names = [name for name in node.pop("type") if isinstance(name, str)]
    types = [name for name in names if name != "null"]
    if len(types) < len(names):
        node["nullable"] = True
    if len(types) == 1:
        node["type"] = types[0]
    elif types:
        node.setdefault("anyOf", [{"type": name} for name in types])


def _limit_enum(node: _Schema) -> None:
    """Only strings may be listed, and no empty one. Without the list, the type remains."""
    values = node["enum"] if isinstance(node["enum"], list) else []
    texts = [value for value in values if isinstance(value, str) and value]
    is_text = node.setdefault("type", "string" if texts else None) == "string"
    if node["type"] is None:
        del node["type"]
    if None in values:
        node["nullable"] = True
    if is_text and texts and all(isinstance(value, str | None) for value in values):
        node["enum"] = texts
    else:
        del node["enum"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
