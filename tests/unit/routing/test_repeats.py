from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.routing import lessons
from claude_route.routing import repeats
from tests.unit import examples

TOOL = {
    "name": "Note",
    "input_schema": {
        "type": "object",
        "properties": {"day": {"type": "string", "pattern": "^a$", "format": "date"}},
    },
}
FIELDS: dict[str, Any] = {
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "temperature is not supported"}],
    "metadata": {"user_id": "u"},
    "stream": True,
    "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "tool_choice": {"type": "any"},
    "tools": [TOOL],
    "top_p": 0.5,
}


def omitted(api: str, message: str, *left_out: str, **fields: Any) -> list[tuple[str, bool]]:
    """What the target refuses, and whether for all requests."""
    body = {"model": "m", **FIELDS, **fields}
    given = {key: value for key, value in body.items() if value is not None}
    request = requests.read(json.dumps(given).encode())
    target = examples.target("acme", "anthropic/claude-5", api=api)
    sent = registry.of(target.provider).request(request, target.without(left_out)).body
    error = json.dumps({"error": {"message": message}}).encode()
    found = repeats.omissions(error, request, target, left_out, sent)
    assert {lesson.settings for lesson in found} <= {None, requests.settings(request)}
    return [(lesson.name, lesson.settings is None) for lesson in found]


@pytest.mark.parametrize(
    ("message", "messages", "chat"),
    [
        (
            "`reasoning_effort` is not supported with this model",
            [("output_config.effort", True)],
            [("reasoning_effort", True)],
        ),
        (
            '"gemma3" does not support thinking',
            [("thinking", True)],
            [("reasoning_effort", True)],
        ),
        (
            "reasoning_effort must be low",
            [("output_config.effort", False)],
            [("reasoning_effort", False)],
        ),
        ("Unknown parameter: 'user'", [("metadata", True)], [("user", True)]),
        ("Unknown parameter: 'stream_options'", [], [("stream_options", True)]),
        ("Unknown parameter: 'tool_choice'", [("tool_choice", True)], [("tool_choice", True)]),
        (
            "system.0.cache_control: Extra inputs are not permitted",
            [("cache_control", True)],
            [("cache_control", True)],
        ),
        (
            "failed to parse grammar",
            [("schemas.pattern", True), ("schemas.format", True)],
            [("schemas.pattern", True), ("schemas.format", True)],
        ),
        ("Unsupported parameter: 'max_tokens'", [], [("max_tokens", True)]),
        (
            "max_tokens must be less than 5",
            [],
            [("max_tokens", False), ("max_completion_tokens", False)],
        ),
        ("temperature is not supported", [], []),
        ("messages is not supported", [], []),
    ],
)
def test_in_both_dialects(
    message: str, messages: list[tuple[str, bool]], chat: list[tuple[str, bool]]
) -> None:
    assert omitted("anthropic", message) == messages
    assert omitted("openai", message) == chat


def test_what_is_left_out_already_is_not_left_out_twice() -> None:
    says = "`reasoning_effort` is not supported"
    assert omitted("openai", says, "reasoning_effort") == []
    assert omitted("anthropic", says, "output_config.effort") == [("thinking", True)]


def test_what_the_profile_sets_is_sent() -> None:
    request = requests.read(b'{"model": "m", "messages": []}')
    target = examples.target("acme", "m", api="openai", set={"temperature": 1})
    sent = registry.of(target.provider).request(request, target).body
    error = b'{"error": {"message": "temperature is not supported"}}'
    assert repeats.omissions(error, request, target, (), sent) == []


def test_settings_are_those_of_the_request() -> None:
    plain = requests.read(b'{"model": "m", "messages": []}')
    other = requests.read(
        b'{"model": "n", "messages": [1], "system": "S", "tools": []}'.replace(b"[1]", b"[]")
    )
    assert requests.settings(plain) == requests.settings(other)
    for field in (b'"thinking": {"type": "adaptive"}', b'"tools": [{}]', b'"temperature": 1'):
        odd = requests.read(b'{"model": "m", "messages": [], ' + field + b"}")
        assert requests.settings(odd) != requests.settings(plain)


def test_a_lesson_is_a_line_of_a_profile() -> None:
    """A name that is learned works in `drop`."""
    names = [name for name, _ in omitted("openai", "failed to parse grammar")]
    assert examples.target("acme", drop=names).provider.drop == tuple(names)
    assert lessons.Lesson(names[0]).settings is None


MISSING = "The content[].thinking in the thinking mode must be passed back to the API."
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Note", "input": {}}
LOOP = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": [CALL]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]},
]


@pytest.mark.parametrize("api", ["anthropic", "openai"])
def test_calls_without_thinking(api: str) -> None:
    learnt = [(targets.BARE_CALLS, True)]
    choice = {"tool_choice": {"type": "auto"}}
    assert omitted(api, MISSING, messages=LOOP, **choice) == learnt
    assert omitted(api, MISSING, targets.BARE_CALLS, messages=LOOP, **choice) == []
    assert omitted(api, MISSING, **choice) == []


def test_what_can_not_be_read_can_not_be_left_out() -> None:
    """Parts that nobody reads are not checked, until something has to be left out of them."""
    body = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a",'
        b'"cache_control":{"type":"ephemeral"},"\xbb":1}]}]}'
    )
    request = requests.read(body)
    target = examples.target("acme", "claude-5")
    sent = registry.of(target.provider).request(request, target).body
    error = b'{"error": {"message": "messages.0.content.0.cache_control: Extra inputs are not permitted"}}'
    assert not repeats.omissions(error, request, target, (), sent)
