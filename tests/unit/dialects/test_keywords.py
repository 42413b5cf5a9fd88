from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects import keywords

PATTERN = {"type": "string", "pattern": "^a$"}
PLAIN = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (PATTERN, PLAIN),
        ({"properties": {"pattern": PATTERN}}, {"properties": {"pattern": PLAIN}}),
        ({"items": PATTERN}, {"items": PLAIN}),
        ({"items": [PATTERN, True]}, {"items": [PLAIN, True]}),
        ({"anyOf": [PATTERN, {"not": PATTERN}]}, {"anyOf": [PLAIN, {"not": PLAIN}]}),
        ({"$defs": {"a": PATTERN}}, {"$defs": {"a": PLAIN}}),
        ({"additionalProperties": PATTERN}, {"additionalProperties": PLAIN}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        # Data that looks like a schema.
        ({"default": PATTERN}, {"default": PATTERN}),
        ({"enum": [PATTERN]}, {"enum": [PATTERN]}),
        ({"const": {"pattern": 1}}, {"const": {"pattern": 1}}),
        ({"examples": [PATTERN]}, {"examples": [PATTERN]}),
        (True, True),
        ("pattern", "pattern"),
        ({"properties": "odd", "items": 7}, {"properties": "odd", "items": 7}),
    ],
)
def test_without(schema: Any, expected: Any) -> None:
    assert keywords.without(schema, {"pattern"}) == expected


def test_deep_nesting_ends() -> None:
    schema: Any = PATTERN
    for _ in range(900):
        schema = {"items": schema}
    keywords.without(schema, {"pattern"})
