from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import foreign
from claude_route.dialects.messages import requests

BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.572; cch=0;"}
PROMPT = {"type": "text", "text": "You are x-anthropic-billing-header's friend."}
USER = {"role": "user", "content": "hi"}


def edits(**fields: Any) -> dict[str, Any]:
    body = {"model": "m", "max_tokens": 5, "messages": [USER], **fields}
    request = requests.read(json.dumps(body).encode())
    changed = foreign.edits(request, request.messages)
    return {name: raw and json.loads(bytes(raw)) for name, raw in changed.items()}


def test_a_plain_request_stays_as_it_is() -> None:
    fields = {
        "system": [PROMPT],
        "tools": [{"name": "a", "input_schema": {}}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
        "metadata": {"user_id": "u"},
        "cache_control": {"type": "ephemeral"},
        "stop_sequences": ["x"],
        "stream": True,
        "top_k": 3,
    }
    assert edits(**fields) == {}


@pytest.mark.parametrize(
    "name",
    [
        "container",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "mcp_servers",
        "resumption",
        "service_tier",
        "thread",
    ],
)
def test_fields_of_anthropics_servers(name: str) -> None:
    assert edits(**{name: {"type": "x"}}) == {name: None}


@pytest.mark.parametrize(
    "system, changed",
    [
        ([BILLING, PROMPT], [PROMPT]),
        ([BILLING], None),
        ([PROMPT, BILLING], [PROMPT]),
        (BILLING["text"], None),
        (BILLING["text"] + "\n\nYou are Claude.\nBe kind.\n", "You are Claude.\nBe kind."),
        (
            [{**PROMPT, "cache_control": {"type": "ephemeral", "scope": "global"}}],
            [{**PROMPT, "cache_control": {"type": "ephemeral"}}],
        ),
    ],
)
def test_system(system: Any, changed: Any) -> None:
    assert edits(system=system) == {"system": changed}


@pytest.mark.parametrize("system", ["You are Claude.", "", [], [PROMPT], None])
def test_system_as_it_is(system: Any) -> None:
    assert edits(system=system) == {}


def test_cache_control_of_the_request() -> None:
    assert edits(cache_control={"type": "ephemeral", "scope": "global"}) == {
        "cache_control": {"type": "ephemeral"}
    }


@pytest.mark.parametrize(
    "history, changed",
    [
        (
            [USER, {"role": "system", "content": "a"}],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi"},
                        {"type": "text", "text": "<system-reminder>\na\n</system-reminder>"},
                    ],
                }
            ],
        ),
        ([{**USER, "output_config": {"effort": "low"}}], [USER]),
        ([USER, {"role": "assistant", "content": "x", "clear_at": 3}],
         [USER, {"role": "assistant", "content": "x"}]),
    ],
)  # fmt: skip
def test_messages(history: list[dict[str, Any]], changed: list[dict[str, Any]]) -> None:
    assert edits(messages=history) == {"messages": changed}


def test_messages_that_changed_and_messages_that_did_not() -> None:
    body = {"model": "m", "messages": [USER, {"role": "assistant", "content": "x", "y": 1}]}
    request = requests.read(json.dumps(body).encode())
    kept = [request.messages[0], request.messages[1].with_blocks([])]
    assert json.loads(bytes(foreign.edits(request, kept)["messages"] or b"")) == [
        USER,
        {"role": "assistant", "content": [{"type": "text", "text": "[No message content]"}]},
    ]


@pytest.mark.parametrize("system", [3, {"text": "x"}, ["x"], [{"text": 3}]])
def test_invalid_system(system: Any) -> None:
    with pytest.raises(ValueError, match=r"system.*: expected"):
        edits(system=system)


def test_the_users_rules_stay_here() -> None:
    assert edits(safeguards=[{"type": "dangerous_tool_use"}]) == {"safeguards": None}
