from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route import targets
from claude_route.dialects.messages import dialect
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from tests.unit import examples

OWN = base64.b64encode(bytes(range(96))).decode()
ANTHROPICS = {"type": "thinking", "thinking": "", "signature": OWN}
REDACTED = {"type": "redacted_thinking", "data": "EnYx"}
ZAIS = {"type": "thinking", "thinking": "hm", "signature": "route:zai:abc"}
TEXT = {"type": "text", "text": "hello"}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"model": "m"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
CLEAR = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
DEEP = b"[" * 100_000 + b"]" * 100_000

ANTHROPIC = examples.target("anthropic", "claude-opus-5-5", auth="client")
ZAI = examples.target("zai", "glm-5")

# As Claude Code sends it to api.anthropic.com, shortened.
CLAUDE_CODE: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "café ☕"}]},
        {"role": "system", "content": [{"type": "text", "text": "Tools may be loaded."}]},
        {"role": "assistant", "content": [ANTHROPICS, REDACTED, ZAIS, TEXT, CALL]},
        {
            "role": "user",
            "content": [
                {**RESULT, "cache_control": {"type": "ephemeral", "scope": "global", "ttl": "1h"}}
            ],
        },
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330; cch=00000;"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [
        {"name": "Bash", "input_schema": {"type": "object", "properties": {"model": {}}}},
        {"name": "DeferredToolPlaceholder", "input_schema": {}, "defer_loading": True},
    ],
    "metadata": {"user_id": '{"session_id":"s"}'},
    "max_tokens": 128000,
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": CLEAR,
    "output_config": {"effort": "medium"},
    "diagnostics": {"previous_message_id": "msg_1"},
    "thread": {"type": "create"},
    "stream": True,
}


def scrubbed(body: dict[str, Any] | bytes, target: targets.Target) -> bytes:
    wire = body if isinstance(body, bytes) else json.dumps(body).encode()
    return scrub.request(requests.read(wire), target)


def conversation(*contents: Any, **fields: Any) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(contents)
    history = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
    return {"model": "m", "max_tokens": 9, "messages": history, **fields}


def test_claude_code_to_anthropic() -> None:
    expected = json.loads(json.dumps(CLAUDE_CODE))
    expected["messages"][2]["content"] = [ANTHROPICS, REDACTED, TEXT, CALL]
    assert json.loads(scrubbed(CLAUDE_CODE, ANTHROPIC)) == expected


def test_claude_code_to_another() -> None:
    reminder = "<system-reminder>\nTools may be loaded.\n</system-reminder>"
    cached = {**RESULT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    first = [{"type": "text", "text": "café ☕"}, {"type": "text", "text": reminder}]
    assert json.loads(scrubbed(CLAUDE_CODE, ZAI)) == {
        "model": "glm-5",
        "messages": [
            {"role": "user", "content": first},
            {"role": "assistant", "content": [{**ZAIS, "signature": "abc"}, TEXT, CALL]},
            {"role": "user", "content": [cached]},
        ],
        "system": CLAUDE_CODE["system"][1:],
        "tools": CLAUDE_CODE["tools"][:1],
        "metadata": {"user_id": '{"session_id":"s"}'},
        "max_tokens": 128000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "medium"},
        "stream": True,
    }


# Anthropic refuses a text that is blank, so one of those doesn't stay.
STRINGS = st.text(max_size=8).filter(str.strip) | st.sampled_from(
    ["thinking", "route:zai:", "x\u2028", '"\\/', "é🤖"]
)


@settings(max_examples=60)
@given(STRINGS, STRINGS, st.booleans(), st.sampled_from([None, 1]))
def test_untouched_bodies_go_byte_for_byte(
    first: str, second: str, ascii_only: bool, indent: int | None
) -> None:
    content = [ANTHROPICS, {"type": "text", "text": second}, CALL]
    body = conversation(first, content, [RESULT], second, model="claude-opus-5-5", tools=[])
    wire = json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode()
    assert scrubbed(wire, ANTHROPIC) is wire
    other = examples.target("anthropic", "other", auth="client")
    assert scrubbed(wire, other) == wire.replace(b'"claude-opus-5-5"', b'"other"')


@settings(max_examples=60)
@given(STRINGS, STRINGS, st.booleans())
def test_strings_stay_as_they_are_written(first: str, second: str, ascii_only: bool) -> None:
    content = [ZAIS, ANTHROPICS, {"type": "text", "text": second}, CALL]
    wire = json.dumps(conversation(first, content, [RESULT]), ensure_ascii=ascii_only).encode()
    out = scrubbed(wire, ANTHROPIC)
    assert b"route:zai:abc" not in out
    for text in (first, second):
        assert json.dumps(text, ensure_ascii=ascii_only).encode() in out
    assert json.dumps(ANTHROPICS).encode() in out


@pytest.mark.parametrize("target", [ANTHROPIC, ZAI], ids=["anthropic", "zai"])
def test_a_tool_loop_that_loses_its_thinking(target: targets.Target) -> None:
    foreign = {**ZAIS, "signature": "route:kimi:abc"}
    body = conversation(
        "hi",
        [foreign, CALL],
        [RESULT],
        thinking={"type": "enabled", "budget_tokens": 2048},
        context_management=CLEAR,
    )
    out = json.loads(scrubbed(body, target))
    assert out["messages"][1]["content"] == [CALL]
    assert out["thinking"] == {"type": "disabled"}
    assert "context_management" not in out


def test_the_messages_of_a_thread_stay_as_they_are() -> None:
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    body = conversation("hi", [ZAIS, TEXT], model="claude-opus-5-5", thread=thread)
    wire = json.dumps(body).encode()
    assert scrubbed(wire, ANTHROPIC) is wire


SCHEMA = {"anyOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}]}


def test_schemas_are_flattened_only_for_anthropic() -> None:
    body = conversation("hi", tools=[{"name": "t", "input_schema": SCHEMA}])
    flat = json.loads(scrubbed(body, ANTHROPIC))["tools"][0]["input_schema"]
    assert flat == {"type": "object", "properties": {"a": {}}}
    assert json.loads(scrubbed(body, ZAI))["tools"][0]["input_schema"] == SCHEMA


@pytest.mark.parametrize(
    "settings, fields, changed",
    [
        ({"drop": ["top_k", "x"]}, {"top_k": 3, "top_p": 1}, {"top_p": 1}),
        ({"set": {"max_tokens": 5}}, {}, {"max_tokens": 5}),
        ({"set": {"y": {"z": [1]}}}, {"y": 2}, {"y": {"z": [1]}}),
        ({"drop": ["max_tokens"], "set": {"max_tokens": 7}}, {}, {"max_tokens": 7}),
        ({"drop": ["max_tokens"], "set": {"max_tokens": 9}}, {}, {}),
        ({"drop": ["top_p"], "set": {"top_k": 1}}, {"top_p": 1}, {"top_k": 1}),
        ({"set": {"service_tier": "auto"}}, {"service_tier": "auto"}, {"service_tier": "auto"}),
    ],
)
@pytest.mark.parametrize("name", ["anthropic", "zai"])
def test_drop_and_set(
    name: str, settings: dict[str, Any], fields: dict[str, Any], changed: dict[str, Any]
) -> None:
    auth = "client" if name == "anthropic" else "none"
    out = json.loads(
        scrubbed(conversation("hi", **fields), examples.target(name, "m", auth=auth, **settings))
    )
    assert out == conversation("hi", **changed)


def test_set_leaves_count_tokens_what_it_takes() -> None:
    target = examples.target("zai", "m", set={"max_tokens": 5, "temperature": 1, "x": 1})
    body = conversation("hi")
    del body["max_tokens"]
    assert json.loads(scrubbed(body, target)) == {**body, "x": 1}


def test_a_plain_request_to_another_only_gets_its_model() -> None:
    wire = b'{"model": "m",\n "messages":[{"role":"user","content":"\\ud83e"}] , "max_tokens":1e1}'
    assert scrubbed(wire, ZAI) == wire.replace(b'"m"', b'"glm-5"')
    assert scrubbed(wire, examples.target("zai", "m")) is wire


@pytest.mark.parametrize(
    "wire",
    [
        b'{"model":"claude-opus-5-5","messages":[{"role":"user","content":"\\ud83e"}]}',
        b'{"model":"claude-opus-5-5","messages":[{"role":"user","content":[{"x":%b}]}]}' % DEEP,
        b'{"model":"claude-opus-5-5","x":%b,"thinking":{"type":"adaptive"}}' % DEEP,
    ],
)
def test_undecodable_bodies_pass_on_to_anthropic(wire: bytes) -> None:
    assert scrubbed(wire, ANTHROPIC) is wire
    other = examples.target("anthropic", "x", auth="client")
    assert scrubbed(wire, other) == wire.replace(b"claude-opus-5-5", b"x")


def test_a_lone_surrogate_in_what_changes() -> None:
    wire = b'{"model":"m","messages":[{"role":"assistant","content":%b}],"system":"\\ud83e"}'
    out = scrubbed(wire % json.dumps([ZAIS]).encode(), ANTHROPIC)
    assert json.loads(out)["system"] == "\ufffd"
    assert b"route:" not in out


@pytest.mark.parametrize(
    "wire, target, message",
    [
        (
            b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","x":%b}]}]}'
            % DEEP,
            ANTHROPIC,
            "body: expected at most 1000 levels of nesting, got more",
        ),
        (
            b'{"model":"m","messages":[],"x":%b}' % DEEP,
            ZAI,
            "body: expected at most 1000 levels of nesting, got more",
        ),
        (
            b'{"model":"m","messages":[{"role":"assistant","content":[3]}]}',
            ANTHROPIC,
            "messages[0].content[0]: expected an object, got an integer",
        ),
        (b'{"model":"m","tools":["x"]}', ANTHROPIC, "tools[0]: expected an object, got a string"),
        (b'{"model":"m","system":7}', ZAI, "system: expected an array, got an integer"),
        (
            b'{"model":"m","messages":[{"role":"system","content":"\xff"}]}',
            ZAI,
            "messages[0].content: expected UTF-8, got other bytes",
        ),
    ],
)
def test_cannot_be_served(wire: bytes, target: targets.Target, message: str) -> None:
    with pytest.raises(ValueError) as e:
        scrubbed(wire, target)
    assert str(e.value) == message


CLIENT = [
    ("Host", "api.anthropic.com"),
    ("Accept", "application/json"),
    ("Authorization", "Bearer sk-ant-oat01-x"),
    ("X-Api-Key", "sk-ant-api03-x"),
    ("Cookie", "a=b"),
    ("Proxy-Authorization", "Basic eDp5"),
    ("x-litellm-api-key", "TOKEN, x-claude-token-mode: passthrough"),
    ("x-claude-token-mode", "rotate"),
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "oauth-2025-04-20"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("anthropic-routing-hint", "x"),
    ("x-claude-1p-session", "x"),
    ("X-Claude-Code-Session-Id", "s"),
    ("x-goog-api-key", "x"),
    ("Content-Type", "application/json"),
    ("Content-Encoding", "gzip"),
    ("Content-Length", "5"),
    ("Transfer-Encoding", "chunked"),
    ("Connection", "keep-alive"),
    ("User-Agent", "claude-cli/2.1.330 (external, cli)"),
    ("x-app", "cli"),
    ("X-Stainless-Lang", "js"),
]
HEADERS = tuple((name.encode(), value.encode()) for name, value in CLIENT)


def test_headers_for_anthropic() -> None:
    kept = scrub.headers(HEADERS, ANTHROPIC.provider)
    ours = {b"proxy-authorization", b"x-litellm-api-key", b"x-claude-token-mode"}
    assert kept == tuple(field for field in HEADERS if field[0].lower() not in ours)


@pytest.mark.parametrize("target", [ANTHROPIC, ZAI])
def test_nobody_learns_who_a_user_is(target: targets.Target) -> None:
    user = (
        (b"X-Claude-Gateway-User-Id", b"00u1"),
        (b"x-claude-gateway-user-email", b"alice@example.com"),
        (b"x-litellm-end-user-id", b"alice@example.com"),
    )
    provider = target.provider
    assert scrub.headers((*HEADERS, *user), provider) == scrub.headers(HEADERS, provider)


def test_others_get_the_version_that_they_offer() -> None:
    fields = ((b"Anthropic-Version", b"2026-10-21"),)
    assert scrub.headers(fields, ZAI.provider) == ((b"Anthropic-Version", b"2023-06-01"),)
    assert scrub.headers(fields, ANTHROPIC.provider) == fields


def test_headers_for_others() -> None:
    assert [name.decode() for name, _ in scrub.headers(HEADERS, ZAI.provider)] == [
        "Host",
        "Accept",
        "anthropic-version",
        "Content-Type",
        "Content-Encoding",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "User-Agent",
        "x-app",
        "X-Stainless-Lang",
    ]


@pytest.mark.parametrize(
    "value, oauth, api",
    [
        (None, "oauth-2025-04-20", ""),
        ("", "oauth-2025-04-20", ""),
        ("a,b", "a,b,oauth-2025-04-20", "a,b"),
        ("a, oauth-2025-04-20,b", "a,oauth-2025-04-20,b", "a,b"),
        ("oauth-2025-04-20,oauth-2025-04-20, ", "oauth-2025-04-20", ""),
    ],
)
def test_beta(value: str | None, oauth: str, api: str) -> None:
    assert scrub.beta(value, "oauth") == oauth
    assert scrub.beta(value, "api") == api


def test_what_was_tagged_comes_back_to_its_provider_as_it_was() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "glm-sig-8c1f"}
    answer = json.dumps({"content": [block, TEXT]}).encode()
    call = dialect.Messages().request(requests.read(b'{"model":"m"}'), ZAI)
    echoed = json.loads(call.answer(answer))["content"]
    body = conversation("hi", echoed, "next")
    assert json.loads(scrubbed(body, ZAI))["messages"][1]["content"] == [block, TEXT]
    assert json.loads(scrubbed(body, ANTHROPIC))["messages"][1]["content"] == [TEXT]
