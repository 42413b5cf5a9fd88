from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import recorded
from tests.client_watch import traits


def names(body: dict[str, Any], kind: str) -> set[str]:
    return {trait.name for trait in traits.of_body(body) if trait.kind == kind}


USE = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "Bash",
    "input": {"type": "mine", "secret": {"type": "mine"}},
    "cache_control": {"type": "ephemeral", "ttl": "1h"},
}
RESULT = {
    "type": "tool_result",
    "tool_use_id": "toolu_1",
    "content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}],
}
BODY = {
    "model": "claude-x",
    "system": [{"type": "text", "text": "Be nice."}],
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    "tools": [
        {"name": "Bash", "input_schema": {"type": "object"}, "strict": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
    ],
    "messages": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [USE], "output_config": {}},
        {"role": "user", "content": [RESULT]},
    ],
}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "fields",
            {
                *BODY,
                *("thinking.type", "context_management.edits"),
                *("context_management.edits[].type", "context_management.edits[].keep"),
                *("output_config.format", "output_config.format.type", "output_config.format.schema"),
                *("messages[].role", "messages[].content", "messages[].output_config"),
            },
        ),
        (
            "types",
            {
                "thinking: adaptive",
                "context_management.edits[]: clear_thinking_20251015",
                "output_config.format: json_schema",
                "cache_control: ephemeral",
                "source: base64",
            },
        ),
        ("roles", {"user", "assistant"}),
        (
            "blocks",
            {"system: text", "assistant: tool_use", "user: tool_result", "tool_result: image"},
        ),
        ("server tools", {"web_search_20250305 web_search"}),
        (
            "tool fields",
            {
                *("custom.name", "custom.input_schema", "custom.strict"),
                *(f"web_search_20250305.{name}" for name in ("type", "name", "max_uses")),
            },
        ),
    ],
)  # fmt: skip
def test_a_body(kind: str, expected: set[str]) -> None:
    assert names(BODY, kind) == expected


def test_fields_of_blocks() -> None:
    fields = names(BODY, "block fields")
    assert {"tool_use.input", "cache_control.ttl", "source.data", "text.text"} <= fields
    assert "input.secret" not in fields


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/models?limit=1000", "/v1/models?limit=1000"),
        ("/api/eval/sdk-zAZezfDKGoZuXXKe", "/api/eval/*"),
        ("/api/sessions/0af76519-16cd-43dd-8448-eb211c80319c/events?x=1", "/api/sessions/*/events"),
        ("/api/event_logging/v2/batch", "/api/event_logging/v2/batch"),
    ],
)
def test_a_path(path: str, name: str) -> None:
    assert traits.of_path("GET", path) == ("paths", f"GET {name}")


def request(path: str) -> recorded.Recorded:
    headers = [
        ("Anthropic-Beta", "one-2025-01-01, two-2026-02-02"),
        ("x-claude-route-hop", "1"),
        ("X-App", "cli"),
    ]
    body = json.dumps({"model": "claude-x", "messages": []}).encode()
    return recorded.Recorded("POST", path, headers, body, connection=0, http="1.1", time=0.0)


def test_a_request_to_a_model() -> None:
    sent = {*traits.of_request(request("/v1/messages?beta=true"))}
    assert {name for kind, name in sent if kind == "headers"} == {"anthropic-beta", "x-app"}
    assert {name for kind, name in sent if kind == "betas"} == {"one-2025-01-01", "two-2026-02-02"}
    assert ("fields", "model") in sent


def test_other_requests_are_watched_by_their_paths_only() -> None:
    assert not [*traits.of_request(request("/api/event_logging/v2/batch"))]
