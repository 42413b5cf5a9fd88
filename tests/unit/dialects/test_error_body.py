from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects.error_body import Fault


@pytest.mark.parametrize(
    "body,fault",
    [
        pytest.param(
            b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"},'
            b'"request_id":"req_1"}',
            Fault("rate_limit_error", "Slow down"),
            id="anthropic",
        ),
        pytest.param(
            envelope.body(
                "not_found_error", "No thread", details={"error_code": "thread_not_found"}
            ),
            Fault("not_found_error", "No thread", "thread_not_found"),
            id="anthropic-details",
        ),
        pytest.param(
            b'{"error":{"message":"Bad key","type":"invalid_request_error","code":"invalid_key"}}',
            Fault("invalid_request_error", "Bad key", "invalid_key"),
            id="openai",
        ),
        pytest.param(
            b'{"error":{"message":"Provider returned error","code":429}}',
            Fault("", "Provider returned error", "429"),
            id="numeric-code",
        ),
        pytest.param(b'{"error":"model not found"}', Fault("", "model not found"), id="ollama"),
        pytest.param(
            b'{"detail":[{"loc":["body"],"msg":"field required"}]}',
            Fault("", "field required"),
            id="fastapi",
        ),
        pytest.param(
            b'{"code":1113,"msg":"no balance","success":false}',
            Fault("", "no balance", "1113"),
            id="flat",
        ),
        pytest.param(
            b'[{"error":{"message":"quota","type":"x","code":3}}]',
            Fault("x", "quota", "3"),
            id="in-a-list",
        ),
        pytest.param(b'{"type":"error","message":"x"}', Fault("", "x"), id="flat-error"),
        pytest.param(
            rb'{"error":{"type":"\ud83e","message":"\ud83e","code":"\ud83e\udd16"}}',
            Fault("\ufffd", "\ufffd", "🤖"),
            id="half an emoji",
        ),
        pytest.param(
            b'{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}',
            Fault("", "insufficient balance"),
            id="minimax",
        ),
        pytest.param(
            b'{"errors":[{"code":7003,"message":"No route"}],"success":false}',
            Fault("", "No route"),
            id="cloudflare",
        ),
        pytest.param(
            b'{"errors":{"model":["is unknown"]}}', Fault("", "is unknown"), id="by-field"
        ),
        pytest.param(b'{"message":{"detail":"No"}}', Fault("", "No"), id="nested-message"),
        pytest.param(b'{"__type":"x","Message":"Bad input"}', Fault("", "Bad input"), id="amazon"),
        pytest.param(
            b'{"fault":{"faultstring":"Quota","detail":{"errorcode":"x"}}}',
            Fault("", "Quota"),
            id="apigee",
        ),
        pytest.param(
            b'{"type":"about:blank","title":"Not Found","status":404}',
            Fault("about:blank", "Not Found"),
            id="problem+json",
        ),
        pytest.param(
            b'{"error":"{\\"error\\":{\\"message\\":\\"no image\\"}}"}',
            Fault("", "no image"),
            id="wrapped",
        ),
        pytest.param(b'{"error":"{not JSON"}', Fault("", "{not JSON"), id="not-wrapped"),
        pytest.param(
            b'<?xml version="1.0"?><Error><Code>x</Code><Message>No key</Message></Error>',
            Fault("", "No key"),
            id="xml",
        ),
        pytest.param(b"upstream connect error", Fault("", "upstream connect error"), id="plain"),
        pytest.param(
            b"<!DOCTYPE html>\n<html><head>\n<title>502 Bad Gateway\n</title></head><body>x</body>",
            Fault("", "502 Bad Gateway"),
            id="html",
        ),
        pytest.param(b"<html><body>secret page</body>", Fault(), id="html-without-title"),
        pytest.param(b"", Fault(), id="empty"),
        pytest.param(b"{}", Fault(), id="empty-object"),
        pytest.param(b"[]", Fault(), id="empty-list"),
        pytest.param(b"null", Fault(), id="null"),
        pytest.param(b'{"error":{"type":3,"message":{}}}', Fault(), id="wrong-types"),
        pytest.param(b'{"error":', Fault("", '{"error":'), id="cut"),
        pytest.param(b"[" * 50_000, Fault("", "[" * 50_000), id="nested"),
        pytest.param(b"\xff\xfe", Fault("", "\ufffd\ufffd"), id="not-utf-8"),
    ],
)
def test_read(body: bytes, fault: Fault) -> None:
    assert error_body.read(body) == fault


OAUTH = "sk-ant-oat01-" + "Ab3_" * 20 + "-wxyz"


@pytest.mark.parametrize(
    "text,shown",
    [
        ("  Rate\n\tlimit \x00 reached ", "Rate limit reached"),
        (f"invalid key {OAUTH}.", "invalid key [redacted]"),
        ("Incorrect API key provided: sk-proj-1234", "Incorrect API key provided: [redacted]"),
        ("got Bearer abcdefgh12, no", "got Bearer [redacted], no"),
        ("Bearer authentication required", "Bearer authentication required"),
        ('{"api_key": "hunter2hunter2"}', '{"api_key": "[redacted]"}'),
        ("x-api-key: hunter2hunter2", "x-api-key: [redacted]"),
        (
            "key 0123456789abcdef0123456789abcdef.Zy9Xw8Vu7 is bad",
            "key [redacted].Zy9Xw8Vu7 is bad",
        ),
        ("key AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "key [redacted]"),
        ("ark 5b5e7d4a-1f2e-4d3c-9b8a-7f6e5d4c3b2a no", "ark [redacted] no"),
        ("token " + "a1" * 10, "token [redacted]"),
        # what people need to read stays
        ("request 20261122abcdef01 failed", "request 20261122abcdef01 failed"),
        (
            "model claude-3-5-sonnet-20241022 not found",
            "model claude-3-5-sonnet-20241022 not found",
        ),
        (
            "no openrouter/qwen/qwen3-coder-480b-a35b-instruct-maybe here",
            "no openrouter/qwen/qwen3-coder-480b-a35b-instruct-maybe here",
        ),
        ("exceeded model token limit: 262144", "exceeded model token limit: 262144"),
        (
            "prompt is too long: 215000 tokens > 200000 maximum",
            "prompt is too long: 215000 tokens > 200000 maximum",
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        ),
        ("capability_rejected: thinking_signature", "capability_rejected: thinking_signature"),
        ("lone \ud83e surrogate", "lone ? surrogate"),
        ("", ""),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert error_body.clean(text) == shown


def test_known_secrets_go_whatever_they_look_like() -> None:
    assert error_body.clean("no such key: hunter2", ["hunter2", ""]) == "no such key: [redacted]"


def test_a_long_text_is_cut() -> None:
    assert error_body.clean("word " * 2000) == ("word " * 100)[:499] + "…"
    assert len(error_body.clean("x" * 100_000)) <= error_body.MAX_TEXT
    assert error_body.clean("上下文太长" * 1000) == ("上下文太长" * 100)[:499] + "…"


@pytest.mark.parametrize("before", [" ", ",", "="])
def test_no_piece_of_a_credential_is_left_at_the_cut(before: str) -> None:
    secret = "Zq9" * 20
    for padding in range(8 * error_body.MAX_TEXT - 80, 8 * error_body.MAX_TEXT + 1):
        # what comes before shrinks to next to nothing, so the cut end would be shown
        text = "1" * (padding - 1) + before + secret
        assert "Zq9" not in error_body.clean(text)


@settings(max_examples=100)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["sk-ant-api03-", "sk-or-v1-"]))
def test_a_key_never_shows(before: str, after: str, prefix: str) -> None:
    secret = "Qx7" * 12
    assert secret not in error_body.clean(f"{before} {prefix}{secret}{after}")


@settings(max_examples=100)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["error", "type", "message", "details", "code"]), inner
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_body_is_read(body: bytes) -> None:
    fault = error_body.read(body)
    assert all(isinstance(part, str) for part in fault)
    envelope.body("api_error", error_body.clean(fault.message))
