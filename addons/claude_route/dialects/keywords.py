"""Changes the keywords of JSON schemas: https://json-schema.org/draft/2020-12/schema

A property may have a keyword's name, and a default value may look like a schema, so a schema is walked
by its structure.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from typing import Any

_MAPPINGS = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
"""Keywords whose value maps names to schemas."""

_SCHEMAS = frozenset(
    {
        *("additionalItems", "additionalProperties", "allOf", "anyOf", "contains", "else", "if"),
        *("items", "not", "oneOf", "prefixItems", "propertyNames", "then", "unevaluatedItems"),
        "unevaluatedProperties",
    }
)
"""Keywords whose value is a schema, or an array of them."""

_MAX_DEPTH = 64
"""Deeper schemas stay as they are; those of tools have less than ten levels."""

type Schema = dict[str, Any]


def without(schema: Any, keywords: Collection[str]) -> Any:
    """The schema without these keywords, wherever in it."""
    return change(schema, lambda node: {k: v for k, v in node.items() if k not in keywords})


def change(schema: Any, rewrite: Callable[[Schema], Schema], depth: int = 0) -> Any:
    """The schema with each schema in it rewritten, the outer ones first. Anything else is unchanged."""
    if isinstance(schema, list):
        return [change(item, rewrite, depth) for item in schema]
    if not isinstance(schema, dict) or depth == _MAX_DEPTH:
        return schema
    node = rewrite(schema)
    for keyword, value in node.items():
        if keyword in _MAPPINGS and isinstance(value, dict):
            node[keyword] = {k: change(v, rewrite, depth + 1) for k, v in value.items()}
        elif keyword in _SCHEMAS:
            node[keyword] = change(value, rewrite, depth + 1)
    return node
