from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects.messages import schemas

A = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
BOTH = {"a": {"type": "string"}, "b": {"type": "integer"}}


@pytest.mark.parametrize(
    "schema, flat",
    [
        pytest.param(
            {"allOf": [A, B]},
            {"type": "object", "properties": BOTH, "required": ["a", "b"]},
            id="allOf",
        ),
        pytest.param({"anyOf": [A, B]}, {"type": "object", "properties": BOTH}, id="anyOf"),
        pytest.param({"oneOf": [A, B]}, {"type": "object", "properties": BOTH}, id="oneOf"),
        pytest.param(
            {**A, "description": "d", "additionalProperties": False, "allOf": [B, A]},
            {
                "type": "object",
                "properties": BOTH,
                "required": ["a", "b"],
                "description": "d",
                "additionalProperties": False,
            },
            id="beside its own",
        ),
        pytest.param(
            {**A, "anyOf": [{"required": ["b"]}, B]},
            {"type": "object", "properties": BOTH},
            id="alternatives require nothing",
        ),
        pytest.param(
            {"allOf": [A, {"oneOf": [B, {"type": "null"}]}]},
            {"type": "object", "properties": BOTH, "required": ["a"]},
            id="within each other",
        ),
        pytest.param(
            {
                "oneOf": [
                    {"properties": {"kind": {"const": "x"}}},
                    {"properties": {"kind": {"const": "y"}}},
                    {"properties": {"kind": {"const": "x"}}},
                    {"properties": {"kind": {"const": "z"}}},
                ]
            },
            {
                "type": "object",
                "properties": {"kind": {"anyOf": [{"const": "x"}, {"const": "y"}, {"const": "z"}]}},
            },
            id="one property, many schemas",
        ),
        pytest.param(
            {**A, "allOf": [{"properties": {"a": {"minLength": 1}}}]},
            {
                "type": "object",
                "properties": {"a": {"allOf": [{"type": "string"}, {"minLength": 1}]}},
                "required": ["a"],
            },
            id="one property, both schemas",
        ),
        pytest.param(
            {"$defs": {"a/b": A}, "anyOf": [{"$ref": "#/$defs/a~1b"}, B]},
            {"$defs": {"a/b": A}, "type": "object", "properties": BOTH},
            id="reference",
        ),
        pytest.param(
            {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#"}, A]}}, "$ref": "#/x",
             "anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "https://x/y"}, {"$ref": "#/nowhere"}]},
            {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#"}, A]}}, "$ref": "#/x",
             "type": "object", "properties": A["properties"]},
            id="references in circles and to nothing",
        ),
        pytest.param(
            {"allOf": {}, "anyOf": ["x", True, {"properties": []}], "properties": 3,
             "required": [3, {}]},
            {"type": "object", "properties": {}},
            id="nonsense",
        ),
    ],
)  # fmt: skip
def test_flatten(schema: dict[str, Any], flat: dict[str, Any]) -> None:
    before = json.dumps(schema)
    assert schemas.flatten(schema) == flat
    assert json.dumps(schema) == before


def test_flatten_what_nests_deeply() -> None:
    schema: dict[str, Any] = {"properties": {"deepest": {}}}
    for n in range(400):
        schema = {"allOf": [schema], "properties": {f"p{n}": {}}}
    flat = schemas.flatten(schema)
    assert "p399" in flat["properties"]
    assert "deepest" not in flat["properties"]


def test_flatten_tools() -> None:
    plain = (
        b'{"name":"p", "input_schema":{"type":"object","properties":{"x":{"anyOf":[]}}},"n":1.0}'
    )
    combined = b'{"name":"c","cache_control":{"type":"ephemeral"},"input_schema":{"anyOf":[]}}'
    server = b'{"type":"web_search_20250305","name":"oneOf"}'
    assert schemas.flatten_tools(msgspec.Raw(b"[%b,%b]" % (plain, server))) is None
    flat = schemas.flatten_tools(msgspec.Raw(b"[%b,%b,%b]" % (plain, combined, server)))
    assert flat is not None
    assert json.loads(bytes(flat)) == [
        json.loads(plain),
        {
            "name": "c",
            "cache_control": {"type": "ephemeral"},
            "input_schema": {"type": "object", "properties": {}},
        },
        json.loads(server),
    ]
    assert b'"n":1.0' in bytes(flat)


@pytest.mark.parametrize(
    "tools", [b"null", b"[]", b'"x"', b'[{"name":"x"}]', b'[{"input_schema":["anyOf"]}]']
)
def test_nothing_to_flatten(tools: bytes) -> None:
    assert schemas.flatten_tools(msgspec.Raw(tools)) is None


def test_an_invalid_tool() -> None:
    with pytest.raises(ValueError, match=r"tools\[1\]: expected an object, got a string"):
        schemas.flatten_tools(msgspec.Raw(b'[{},"anyOf"]'))
