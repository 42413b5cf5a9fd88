"""Answers that aren't as they should be."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.wire import cases

HELLO = [{"type": "text", "text": "Hello"}]

GOOD = cases.stream(cases.start(), *cases.text("Hello"), *cases.end())

USED: list[dict[str, Any]] = [
    {"role": "user", "content": "List the files"},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "call_0", "name": "Bash", "input": {"command": "ls"}}
        ],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "a.txt"}],
    },
]

BACK: dict[str, Any] = {
    "providers": {"other": {}, "spare": {}},
    "models": {"glm": "other/glm-5", "back": "spare/glm-5"},
    "fallbacks": {"glm": ["back"]},
}
"""Fields of a case with a fallback."""

BACK_FROM_CHAT = BACK | {"providers": {"other": {"api": "openai"}, "spare": {}}}

OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}

OVERFLOW = {
    "type": "invalid_request_error",
    "message": "Error code: 400 - {'error': {'message': \"This model's maximum context length is 196608 tokens."
    " However, your messages resulted in 199906 tokens.\", 'code': 400}}",
}

PAGE = b"<!DOCTYPE html><html><head><title>Web page blocked</title></head><body>No</body></html>"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def check_hello(result: cases.Result) -> None:
    """A stream that spells `Hello`."""
    assert result.is_stream
    assert result.message["content"] == HELLO
    assert result.events[-1].name == "message_stop"


def check_fallback(result: cases.Result) -> None:
    assert result.target == "spare/glm-5"
    check_hello(result)
    assert result.headers["x-route-attempts"] == "2"


def check_new_tool_id(result: cases.Result) -> None:
    (call,) = result.message["content"]
    assert call["input"] == {"command": "ls"}
    assert call["id"] not in ("", "call_0")


def check_new_message_id(result: cases.Result) -> None:
    assert result.message["id"] not in ("", "msg_upstream")


def check_input(result: cases.Result) -> None:
    (call,) = result.message["content"]
    assert (call["id"], call["input"]) == ("toolu_1", {"command": "ls"})


def check_interrupted(result: cases.Result) -> None:
    """The client has seen a part of the answer, and hears that the rest is missing."""
    assert result.is_stream
    assert result.events[-1].name == "error"


def check_refusal(result: cases.Result) -> None:
    assert result.message["stop_reason"] == "refusal"


def check_compaction(result: cases.Result) -> None:
    assert result.status == 400
    assert result.error["message"] == "prompt is too long: 199906 tokens > 196608 maximum"


def check_balance(result: cases.Result) -> None:
    assert "insufficient balance" in result.error["message"]


CASES = (
    cases.Case(
        "reused-tool-ids",
        "https://github.com/NousResearch/hermes-agent/issues/70724",
        cases.asked(messages=USED, tools=[cases.BASH]),
        {
            "other": [
                cases.stream(
                    cases.start(),
                    *cases.call("call_0", '{"comma', 'nd": "l', 's"}'),
                    *cases.end("tool_use"),
                )
            ]
        },
        check_new_tool_id,
    ),
    cases.Case(
        "constant-message-id",
        "https://github.com/Accio-Lab/Dressage/issues/39",
        cases.asked(),
        {"other": [GOOD]},
        check_new_message_id,
    ),
    cases.Case(
        "data-only-events",
        "https://github.com/earendil-works/pi/issues/1983",
        cases.asked(),
        {"other": [cases.stream(cases.start(), *cases.text("Hello"), *cases.end(), names=False)]},
        check_hello,
    ),
    cases.Case(
        "input-in-block-start",
        "https://github.com/inflaborg/ccrelay/pull/119",
        cases.asked(tools=[cases.BASH]),
        {
            "other": [
                cases.stream(
                    cases.start(),
                    *cases.call("toolu_1", input={"command": "ls"}),
                    *cases.end("tool_use"),
                )
            ]
        },
        check_input,
    ),
    cases.Case(
        "json-to-a-stream-request",
        "https://github.com/BerriAI/litellm/issues/14315",
        cases.asked(),
        {"other": [cases.whole(HELLO)]},
        check_hello,
    ),
    cases.Case(
        "json-to-a-stream-request-chat",
        "https://github.com/BerriAI/litellm/issues/14315",
        cases.asked(),
        {
            "other": [
                cases.Answer(
                    json.dumps(
                        {
                            "id": "c1",
                            "object": "chat.completion",
                            "choices": [
                                {
                                    "index": 0,
                                    "message": {"role": "assistant", "content": "Hello"},
                                    "finish_reason": "stop",
                                }
                            ],
                            "usage": {"prompt_tokens": 9, "completion_tokens": 2},
                        }
                    ).encode()
                )
            ]
        },
        check_hello,
        cases.CHAT,
    ),
    cases.Case(
        "stream-as-plain-text-chat",
        "https://github.com/xiaoliu10/claude-code-router-next/pull/44",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    chunk(content="Hello"),
                    chunk("stop"),
                    "[DONE]",
                    kind="text/plain; charset=utf-8",
                )
            ]
        },
        check_hello,
        cases.CHAT,
    ),
    cases.Case(
        "error-in-200",
        "https://github.com/BerriAI/litellm/issues/38610",
        cases.asked(),
        {
            "other": [cases.Answer(b'{"code": 500, "msg": "404 NOT_FOUND", "success": false}')],
            "spare": [GOOD],
        },
        check_fallback,
        **BACK,
    ),
    cases.Case(
        "error-after-message-start",
        "https://github.com/EasyMetaAu/helm-api/pull/381",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    cases.start(),
                    {
                        "type": "error",
                        "error": {"type": "overloaded_error", "message": "Overloaded"},
                    },
                )
            ],
            "spare": [GOOD],
        },
        check_fallback,
        **BACK,
    ),
    cases.Case(
        "error-after-the-role-chat",
        "https://github.com/EasyMetaAu/helm-api/pull/381",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    chunk(role="assistant", content=""),
                    {"error": {"code": 502, "message": "Provider disconnected"}, "choices": []},
                )
            ],
            "spare": [GOOD],
        },
        check_fallback,
        **BACK_FROM_CHAT,
    ),
    cases.Case(
        "error-in-200-chat",
        "https://github.com/MiniMax-AI/MiniMax-M2/issues/62",
        cases.asked(),
        {
            "other": [
                cases.Answer(
                    b'{"id": "x", "choices": null, "model": "m", "base_resp":'
                    b' {"status_code": 1008, "status_msg": "insufficient balance"}}'
                )
            ]
        },
        check_balance,
        cases.CHAT,
    ),
    *(
        cases.Case(
            f"no-answer-in-200-{name}{suffix}",
            "https://github.com/ding113/claude-code-hub/pull/763",
            cases.asked(),
            {"other": [answer], "spare": [GOOD]},
            check_fallback,
            **fields,
        )
        for suffix, fields in (("", BACK), ("-chat", BACK_FROM_CHAT))
        for name, answer in (
            ("html", cases.Answer(PAGE, "text/html")),
            ("empty", cases.Answer(b"")),
            ("object", cases.Answer(b"{}")),
            ("204", cases.Answer(b"", "", 204)),
        )
    ),
    cases.Case(
        "error-after-an-empty-text",
        "https://github.com/musistudio/claude-code-router/pull/1759",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    cases.start(), cases.text("")[0], {"type": "error", "error": OVERLOADED}
                )
            ],
            "spare": [GOOD],
        },
        check_fallback,
        **BACK,
    ),
    cases.Case(
        "not-completed-chat",
        "https://github.com/earendil-works/pi/issues/2313",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    chunk(role="assistant", content=""), chunk("network_error"), names=False
                )
            ],
            "spare": [GOOD],
        },
        check_fallback,
        **BACK_FROM_CHAT,
    ),
    cases.Case(
        "a-call-that-gemini-discards",
        "https://github.com/Wei-Shaw/sub2api/issues/7081",
        cases.asked(),
        {
            "other": [
                cases.stream(chunk(role="assistant"), chunk("MALFORMED_FUNCTION_CALL"), names=False)
            ],
            "spare": [GOOD],
        },
        check_fallback,
        **BACK_FROM_CHAT,
    ),
    cases.Case(
        "not-completed-messages",
        "https://github.com/earendil-works/pi/issues/2313",
        cases.asked(),
        {"other": [cases.stream(cases.start(), *cases.end("network_error"))], "spare": [GOOD]},
        check_fallback,
        **BACK,
    ),
    cases.Case(
        "not-completed-midway-chat",
        "https://github.com/earendil-works/pi/issues/2313",
        cases.asked(),
        {
            "other": [
                cases.stream(
                    chunk(content="Half an ans"), chunk("insufficient_system_resource"), names=False
                )
            ]
        },
        check_interrupted,
        cases.CHAT,
    ),
    cases.Case(
        "sensitive",
        "https://github.com/earendil-works/pi/pull/1868",
        cases.asked(),
        {"other": [cases.stream(cases.start(), *cases.text("He"), *cases.end("sensitive"))]},
        check_refusal,
    ),
    cases.Case(
        "content-is-a-string",
        "https://github.com/router-for-me/CLIProxyAPI/issues/4431",
        cases.asked(),
        {"other": [cases.Answer(json.dumps(cases.message(content="Hello")).encode())]},
        check_hello,
    ),
    cases.Case(
        "gzip-without-its-header",
        "https://github.com/ai-ecoverse/slicc/pull/3041",
        cases.asked(),
        {"other": [cases.Answer(gzip.compress(GOOD.body), cases.SSE)]},
        check_hello,
    ),
    *(
        cases.Case(
            f"overflow-in-a-stream{suffix}",
            "https://github.com/Alishahryar1/free-claude-code/issues/391",
            cases.asked(),
            {"other": [cases.stream({"type": "error", "error": OVERFLOW})], "spare": [GOOD]},
            check_compaction,
            **fields,
        )
        for suffix, fields in (("", BACK), ("-chat", BACK_FROM_CHAT))
    ),
)
