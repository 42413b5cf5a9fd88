from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.chat import openapi

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0}),
        ({"type": "number", "exclusiveMaximum": 1.5}, {"type": "number", "maximum": 1.5}),
        ({"exclusiveMinimum": 0, "minimum": 3}, {"minimum": 3}),
        ({"exclusiveMinimum": True, "minimum": 3}, {"minimum": 3}),
        ({"type": "object", "propertyNames": TEXT}, {"type": "object"}),
        ({"type": "object", "patternProperties": {"^a": TEXT}}, {"type": "object"}),
        ({"const": "x"}, {"type": "string", "enum": ["x"]}),
        ({"type": "string", "const": "x"}, {"type": "string", "enum": ["x"]}),
        ({"const": 1}, {"type": "integer"}),
        ({"const": True}, {"type": "boolean"}),
        ({"const": ""}, {"type": "string"}),
        ({"type": "string", "enum": ["a", ""]}, {"type": "string", "enum": ["a"]}),
        ({"enum": ["a", None]}, {"type": "string", "enum": ["a"], "nullable": True}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
        ({"enum": [""]}, {}),
        ({"enum": ["a", 1]}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        (
            {"type": ["string", "integer"]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        ),
        ({"oneOf": [{"const": "a"}, TEXT]}, {"anyOf": [{"type": "string", "enum": ["a"]}, TEXT]}),
        (
            {
                "required": ["a"],
                "properties": {"a": TEXT},
                "allOf": [{"properties": {"b": TEXT}, "required": ["b"]}, True],
            },
            {"required": ["a", "b"], "properties": {"b": TEXT, "a": TEXT}},
        ),
        (
            {
                "allOf": [
                    {"required": ["a", "b"], "allOf": [{"required": ["c", "a"], "title": "x"}]},
                    {"required": ["b", "d"], "title": "y"},
                ]
            },
            {"required": ["a", "b", "c", "d"], "title": "x"},
        ),
        ({"type": "string", "format": "uri"}, TEXT),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"items": {"$comment": "c", "not": {}}}, {"items": {}}),
        # A property may have a keyword's name.
        (
            {"properties": {"const": TEXT, "format": TEXT}, "required": ["const"]},
            {"properties": {"const": TEXT, "format": TEXT}, "required": ["const"]},
        ),
        ({"default": {"const": 1}}, {"default": {"const": 1}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
    ],
)
def test_rewrite(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    before = json.dumps(schema)
    assert openapi.rewrite(schema) == expected
    assert json.dumps(schema) == before
    assert openapi.is_suspect(json.dumps(schema).encode()) or schema == expected


def test_a_plain_schema_is_beyond_suspicion() -> None:
    schema = {"type": "object", "properties": {"a": TEXT}, "required": ["a"], "description": "$id"}
    assert not openapi.is_suspect(json.dumps(schema).encode())


def test_allof_of_any_form_takes_linear_time() -> None:
    """At a comparison for each two names, a minute."""
    names = [f"n{n}" for n in range(30_000)]
    schema: dict[str, Any] = {"required": [f"m{n}" for n in range(30_000)]}
    for _ in range(900):
        schema = {"allOf": [schema]}
    schema["allOf"] += [{"required": names}, *({"properties": {name: {}}} for name in names)]
    rewritten = openapi.rewrite(schema)
    assert len(rewritten["required"]) == 60_000
    assert len(rewritten["properties"]) == 30_000
