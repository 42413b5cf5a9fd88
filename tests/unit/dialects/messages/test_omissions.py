"""What `drop` leaves out of a Messages request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from tests.unit import examples

POINT = {"type": "ephemeral", "ttl": "1h"}
MARKED = {"type": "text", "text": "Hi", "cache_control": POINT}
PLAIN = {"type": "text", "text": "Hi"}
DAY = {"type": "string", "pattern": r"^\d+$"}
SCHEMA = {"type": "object", "properties": {"day": DAY, "pattern": {"type": "string"}}}
BARE = {
    "type": "object",
    "properties": {"day": {"type": "string"}, "pattern": {"type": "string"}},
}


def sent(fields: dict[str, Any], *drop: str) -> dict[str, Any]:
    body = {"model": "glm", "messages": [], **fields}
    request = requests.read(json.dumps(body).encode())
    target = examples.target("zai", "glm", drop=list(drop))
    shorter: dict[str, Any] = json.loads(scrub.request(request, target))
    return {key: value for key, value in shorter.items() if key in fields}


@pytest.mark.parametrize(
    ("drop", "fields", "expected"),
    [
        ("output_config.effort", {"output_config": {"effort": "high"}}, {}),
        (
            "output_config.effort",
            {"output_config": {"effort": "high", "format": {"type": "x"}}},
            {"output_config": {"format": {"type": "x"}}},
        ),
        ("output_config", {"output_config": {"effort": "high"}}, {}),
        ("output_config.effort", {"output_config": 7}, {"output_config": 7}),
        ("thinking", {"thinking": {"type": "adaptive"}}, {}),
        ("temperature", {"temperature": None}, {}),
        ("a.b", {"temperature": 1}, {"temperature": 1}),
        (
            "schemas.pattern",
            {"tools": [{"name": "a", "input_schema": SCHEMA}, {"name": "b"}]},
            {"tools": [{"name": "a", "input_schema": BARE}, {"name": "b"}]},
        ),
        (
            "schemas.pattern",
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {"output_config": {"format": {"type": "json_schema", "schema": BARE}}},
        ),
        (
            "schemas.pattern",
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            {"output_format": {"type": "json_schema", "schema": BARE}},
        ),
        ("cache_control", {"cache_control": POINT}, {}),
        ("cache_control.ttl", {"cache_control": POINT}, {"cache_control": {"type": "ephemeral"}}),
        ("cache_control", {"system": [MARKED, PLAIN]}, {"system": [PLAIN, PLAIN]}),
        ("cache_control", {"system": "cache_control"}, {"system": "cache_control"}),
        (
            "cache_control",
            {"tools": [{"name": "a", "cache_control": POINT}]},
            {"tools": [{"name": "a"}]},
        ),
    ],
)
def test_drop(drop: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sent(fields, drop) == expected


def test_cache_points_of_messages() -> None:
    call = {"type": "tool_use", "id": "t", "name": "a", "input": {"cache_control": POINT}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [MARKED],
        "cache_control": POINT,
    }
    messages = [
        {"role": "user", "content": [MARKED]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
        {"role": "user", "content": '"cache_control"'},
    ]
    shorter = sent({"messages": messages}, "cache_control")["messages"]
    assert shorter[0]["content"] == [PLAIN]
    assert shorter[1]["content"] == [call], "the model's own words"
    assert shorter[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t", "content": [PLAIN]}
    ]
    assert shorter[3] == messages[3]


def test_a_request_that_has_none_of_it_is_unchanged() -> None:
    body = b'{ "model": "glm", "messages": [], "tools": [{"name": "a", "input_schema": {}}] }'
    drop = ["cache_control", "schemas.pattern", "thinking", "output_config.effort"]
    assert scrub.request(requests.read(body), examples.target("zai", "glm", drop=drop)) is body
