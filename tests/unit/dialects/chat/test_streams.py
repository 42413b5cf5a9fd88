from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects import envelope
from claude_route.wire import sse
from tests import strict_client
from tests.unit import chat_streams
from tests.unit.chat_streams import DONE
from tests.unit.chat_streams import USAGE
from tests.unit.chat_streams import chunk
from tests.unit.chat_streams import streamed
from tests.unit.chat_streams import tool

THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "route:acme:"}
TEXT = {"type": "text", "text": "Hello"}


def calls(*names: str, **inputs: Any) -> list[dict[str, Any]]:
    return [
        {"type": "tool_use", "id": name, "name": "Read", "input": inputs[name]} for name in names
    ]


def each(*pieces: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return chunk(finish, tool_calls=list(pieces))


CONTENT = [
    pytest.param([chunk(content="Hel"), chunk(content="lo")], [TEXT], id="text"),
    pytest.param(
        [chunk(role="assistant", content=""), chunk(content="Hello"), chunk("stop", content="")],
        [TEXT],
        id="no block for empty text",
    ),
    pytest.param(
        [chunk(content="\n\n"), each(tool(0, "a", "Read", "{}"))],
        calls("a", a={}),
        id="no block for white space",
    ),
    pytest.param(
        [chunk(content="\n"), chunk(content="Hello")],
        [{"type": "text", "text": "\nHello"}],
        id="white space before text is kept",
    ),
    pytest.param(
        [chunk(content=[{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}])],
        [TEXT],
        id="content in parts",
    ),
    pytest.param([chunk(refusal="Hello")], [TEXT], id="refusal"),
    # LiteLLM: reasoning as thinking_delta inside text block 0 (#32357), a spurious empty text
    # block 0 (#31561). CLIProxyAPI: no `signature` in a thinking block's start.
    pytest.param(
        [chunk(role="assistant", content="", reasoning_content="H"), chunk(content="", reasoning_content="m"), chunk(content="Hello")],
        [THOUGHT, TEXT],
        id="reasoning is a thinking block of its own, before the text",
    ),
    pytest.param(
        [chunk(reasoning="Hm"), chunk(content="Hello")],
        [THOUGHT | {"signature": "route:acme:reasoning"}, TEXT],
        id="reasoning",
    ),
    pytest.param(
        [chunk(reasoning="Hm", reasoning_details=[{"type": "reasoning.text", "text": "Hm"}]), chunk(content="Hello")],
        [THOUGHT | {"signature": "route:acme:reasoning"}, TEXT],
        id="reasoning and reasoning_details say it once",
    ),
    pytest.param(
        [chunk(reasoning_details=[{"type": "reasoning.summary", "summary": "Hm"}])],
        [THOUGHT | {"signature": "route:acme:reasoning"}],
        id="reasoning_details alone",
    ),
    pytest.param(
        [chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]), chunk(content="Hello")],
        [THOUGHT | {"signature": "route:acme:parts"}, TEXT],
        id="reasoning among the parts, Mistral's way",
    ),
    pytest.param(
        [chunk(reasoning_content="\n"), chunk(content="Hello")], [TEXT], id="blank reasoning"
    ),
    # LiteLLM: the first delta after a change of block lost (#25321, #25561, #30014, #30765).
    pytest.param(
        [chunk(content="Hello"), each(tool(0, "a", "Read", '{"p": 1}'))],
        [TEXT, *calls("a", a={"p": 1})],
        id="a call whole in one chunk keeps its arguments",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", '{"p'), finish=""), each(tool(0, None, None, '": 1}'))],
        calls("a", a={"p": 1}),
        id="arguments in the first chunk",
    ),
    pytest.param(
        [chunk(reasoning_content="Hm"), chunk(content="Hello"), chunk(reasoning_content="Hm")],
        [THOUGHT, TEXT, THOUGHT],
        id="the first delta after each change of block",
    ),
    # LiteLLM: the second of two calls in one chunk lost.
    pytest.param(
        [each(tool(0, "a", "Read", '{"p": 1}'), tool(1, "b", "Read", '{"p": 2}'))],
        calls("a", "b", a={"p": 1}, b={"p": 2}),
        id="two calls in one chunk",
    ),
    # LiteLLM: an empty tool_calls becomes an input_json_delta (#29286).
    pytest.param(
        [chunk(content="Hel", tool_calls=[]), chunk(content="lo", tool_calls=[])],
        [TEXT],
        id="an empty tool_calls is none",
    ),
    # LiteLLM: a wrong block start with gpt-5 (PR#13521).
    pytest.param(
        [chunk(role="assistant", content=None), each(tool(0, "a", "Read", "")), each(tool(0, None, None, '{"p"')), each(tool(0, None, None, ":1}")), chunk("tool_calls")],
        calls("a", a={"p": 1}),
        id="a call with the name first and arguments after, as OpenAI streams",
    ),
    pytest.param(
        [each(tool(0, None, "Read", None)), each(tool(0, "a", None, '{"p"')), each(tool(0, "", "", ":1}"))],
        calls("a", a={"p": 1}),
        id="the id late, then empty",
    ),
    pytest.param(
        [each(tool(0, "a", None, None)), each(tool(0, "a", None, '{"p":')), each(tool(0, "a", "Read", "1}"))],
        calls("a", a={"p": 1}),
        id="the name late, the id repeated",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", '{"p":')), each(tool(0, "b", None, "1}"))],
        calls("a", a={"p": 1}),
        id="another id for each piece",
    ),
    pytest.param([each(tool(0, "a", "Read", ""))], calls("a", a={}), id="arguments empty"),
    pytest.param([each(tool(0, "a", "Read", None))], calls("a", a={}), id="arguments absent"),
    pytest.param([each(tool(0, "a", "Read", "null"))], calls("a", a={}), id="arguments null"),
    # Anthropic's own start of a block, passed on by Bedrock and LiteLLM (#4537).
    pytest.param(
        [each(tool(0, "a", "Read", "{}")), each(tool(0, None, None, '{"p"')), each(tool(0, None, None, ": 1}"))],
        calls("a", a={"p": 1}),
        id="an empty object before the arguments",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", "{}")), each(tool(0, None, None, "")), each(tool(1, "b", "Read", "{}"))],
        calls("a", "b", a={}, b={}),
        id="an empty object and no arguments",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", {"p": 1}))], calls("a", a={"p": 1}), id="arguments as an object"
    ),
    pytest.param(
        [each(tool(0, "a", "Read", '"{\\"p\\"')), each(tool(0, "a", "Read", ': 1}"'))],
        calls("a", a={"p": 1}),
        id="arguments as JSON in a string",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", '{"p":'), tool(1, "b", "Read", '{"q"')), each(tool(1, None, None, ":2}"), tool(0, None, None, "1}"))],
        calls("a", "b", a={"p": 1}, b={"q": 2}),
        id="interleaved calls",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", '{"p":')), chunk(content="Hello"), each(tool(0, None, None, "1}"))],
        [*calls("a", a={"p": 1}), TEXT],
        id="text within a call waits",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", "{}")), each(tool(0, "b", "Read", "{}"))],
        calls("a", "b", a={}, b={}),
        id="several calls with index 0, Gemini's way",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", ""), tool(0, "b", "Grep", '{"p": 1}'))],
        [*calls("a", a={}), calls("b", b={"p": 1})[0] | {"name": "Grep"}],
        id="several calls with index 0, the first without arguments",
    ),
    pytest.param(
        [each(tool(0, None, "Read", "{}")), each(tool(0, None, "Read", "{}"))],
        [{**call, "id": f"toolu_{n}"} for n, call in enumerate(calls("a", "b", a={}, b={}), 2)],
        id="several calls with index 0 and no id",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", '{"p"')), each(tool(0, "a", "Read", ': 1}')), each(tool(0, "a", "Read", '{"p": 1}'))],
        calls("a", a={"p": 1}),
        id="a complete call repeated",
    ),
    pytest.param(
        [each(tool(None, None, "Read", '{"p": 1}'), tool(None, None, "Read", '{"p": 2}'))],
        [{**call, "id": f"toolu_{n}"} for n, call in enumerate(calls("a", "b", a={"p": 1}, b={"p": 2}), 2)],
        id="no index and no id",
    ),
    pytest.param(
        [each(tool(None, "a", "Read", '{"p"')), each(tool(None, None, None, ": 1}")), each(tool(None, "b", "Read", "{}")), each(tool(None, "a", None, " "))],
        calls("a", "b", a={"p": 1}, b={}),
        id="no index",
    ),
    pytest.param(
        [each(tool(0, "a", "Read", "{}")), each(tool(1, "a", "Read", "{}"))],
        [*calls("a", a={}), calls("a", a={})[0] | {"id": "toolu_2"}],
        id="the same id twice",
    ),
    pytest.param(
        [chunk(function_call={"name": "Read", "arguments": '{"p"'}), chunk("function_call", function_call={"arguments": ": 1}"})],
        [calls("a", a={"p": 1})[0] | {"id": "toolu_2"}],
        id="function_call, the older form",
    ),
    pytest.param([each(tool(0, "a", None, "{}")), chunk("stop")],
        [{"type": "text", "text": "[No message content]"}],
        id="a call without a name is none",
    ),
    pytest.param(
        [chunk("stop")], [{"type": "text", "text": "[No message content]"}], id="no content at all"
    ),
    pytest.param(
        [chunk("stop", content="  ")], [{"type": "text", "text": "[No message content]"}], id="blank"
    ),
]  # fmt: skip


SEALED = {"type": "reasoning.encrypted", "data": "zzz"}


def test_sealed_reasoning_within_a_call_waits() -> None:
    chunks = [each(tool(0, "a", "Read", "{")), chunk(reasoning_details=[SEALED])]
    message = streamed(*chunks, each(tool(0, None, None, "}")), chunk("stop"))
    call, thought = message["content"]
    assert call == calls("a", a={})[0]
    assert thought["signature"].startswith("route:acme:")


def test_text_behind_a_call_that_waits_keeps_its_order() -> None:
    chunks = [each(tool(0, "a", "Read", "{"), tool(1, None, "Read", "{")), chunk(content="Hel")]
    chunks += [each(tool(0, None, None, "}")), chunk(content="lo"), each(tool(1, "b", None, "}"))]
    assert streamed(*chunks)["content"] == [*calls("a", "b", a={}, b={}), TEXT]


def test_usage_with_each_of_several_finished_chunks() -> None:
    """Gemini's way with calls that come one by one."""
    pieces = [tool(0, id, "Read", "{}") for id in "abc"]
    chunks = [USAGE | each(piece, finish="tool_calls") for piece in pieces]
    assert streamed(*chunks)["content"] == calls("a", "b", "c", a={}, b={}, c={})


@pytest.mark.parametrize(
    "end",
    [[chunk("stop"), USAGE, DONE], [chunk("stop"), DONE], [DONE], [b"[DONE] "], [chunk("stop")]],
)
@pytest.mark.parametrize("chunks, content", CONTENT)
def test_content(chunks: list[Any], content: list[Any], end: list[Any]) -> None:
    message = streamed(*chunks, *end, done=False)
    assert message["content"] == content
    called = any(block["type"] == "tool_use" for block in content)
    assert message["stop_reason"] == ("tool_use" if called else "end_turn")


def test_headers() -> None:
    message = streamed(chunk(content="Hi") | {"model": "acme-7b"}, DONE)
    assert (message["id"], message["type"], message["role"]) == ("msg_1", "message", "assistant")
    assert message["model"] == "claude-opus"


def test_ids_are_unique() -> None:
    call = chat_streams.call({})
    ids = set()
    for _ in range(3):
        stream = call.stream()
        parts = [
            stream.feed(chat_streams.event(part)) for part in (chunk("stop", content="Hi"), DONE)
        ]
        ids.add(strict_client.fold(parts)["id"])
    assert len(ids) == 3


def test_deltas_are_immediate() -> None:
    """Each delta is in the bytes that its own chunk gives."""
    stream = chat_streams.call({}).stream()
    for data, expected in [
        (chunk(role="assistant"), b"message_start"),
        (chunk(reasoning_content="Hm"), b'"thinking":"Hm"'),
        (chunk(content="Hel"), b'"text":"Hel"'),
        (chunk(content="lo"), b'"text":"lo"'),
        (each(tool(0, "a", "Read", "")), b'"tool_use"'),
        (each(tool(0, None, None, '{"p"')), b'{\\"p\\"'),
        (each(tool(0, None, None, ":1}")), b":1}"),
        (each(tool(1, "b", "Read", '{"q"')), b'{\\"q\\"'),
        (each(tool(1, None, None, ":1}")), b":1}"),
        (chunk("tool_calls"), b""),
        (USAGE, b"message_stop"),
    ]:
        assert expected in stream.feed(chat_streams.event(data)), data


def test_a_whole_answer_in_an_event() -> None:
    """From gateways whose provider doesn't stream; MiniMax repeats all of it at the end."""
    message = {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [tool(None, "a", "Read", "{}")],
    }
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    expected = [TEXT, *calls("a", a={})]
    assert streamed(whole)["content"] == expected
    chunks = [chunk(content="Hel"), chunk(content="lo"), each(tool(0, "a", "Read", "{}"))]
    assert streamed(*chunks, whole | USAGE | {"choices": whole["choices"]})["content"] == expected


def test_usage_with_a_call_that_waits() -> None:
    """It ends nothing, though nothing is sent for it."""
    pieces = [tool(0, None, name, "") for name in ("Read", "Grep", "Glob")]
    chunks = [USAGE | each(piece, finish="tool_calls") for piece in pieces]
    names = [block["name"] for block in streamed(*chunks)["content"]]
    assert names == ["Read", "Grep", "Glob"]


@pytest.mark.parametrize(
    "finish, reason",
    [
        ("stop", "end_turn"),
        ("eos", "end_turn"),
        ("tool_calls", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("sensitive", "refusal"),
        ("SAFETY", "refusal"),
        ("MAX_TOKENS", "max_tokens"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("", "end_turn"),
    ],
)
def test_stop_reason(finish: str, reason: str) -> None:
    assert streamed(chunk(content="Hi"), chunk(finish), DONE)["stop_reason"] == reason


@pytest.mark.parametrize(
    "finish", ["stop", "length", "content_filter", "tool_calls", "function_call"]
)
def test_stop_reason_of_a_call(finish: str) -> None:
    message = streamed(each(tool(0, "a", "Read", "{}")), chunk(finish), DONE)
    assert message["stop_reason"] == "tool_use"


def test_stop_reason_of_a_call_cut_off() -> None:
    stream = chat_streams.call({}).stream()
    parts = [stream.feed(chat_streams.event(part)) for part in (each(tool(0, "a", "Read", '{"p": "x')), chunk("length"), DONE)]  # fmt: skip
    assert b'"stop_reason":"max_tokens"' in b"".join(parts)


def test_stop_sequence() -> None:
    end = {"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": "END"}]}
    message = streamed(chunk(content="Hi"), end, DONE, body={"stop_sequences": ["END"]})
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


USED = {
    "input_tokens": 6,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 4,
    "output_tokens": 3,
}
COUNTED = {
    "prompt_tokens": 10,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 4},
}


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk("stop"), {"choices": [], "usage": COUNTED}], id="OpenAI"),
        pytest.param([chunk("stop"), chunk() | {"usage": COUNTED}], id="OpenRouter"),
        pytest.param([chunk("stop") | {"usage": COUNTED}, DONE], id="in the last chunk"),
        pytest.param([chunk() | {"usage": {"prompt_tokens": 10}}, chunk("stop") | {"usage": COUNTED}], id="in each chunk"),
        pytest.param([{"choices": [{"delta": {}, "finish_reason": "stop", "usage": COUNTED}]}], id="Kimi"),
        pytest.param([chunk("stop") | {"x_groq": {"usage": COUNTED}}], id="Groq"),
        pytest.param([chunk("stop"), {"usage": {"prompt_tokens": 10, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}}], id="DeepSeek"),
    ],
)  # fmt: skip
def test_usage(chunks: list[Any]) -> None:
    assert streamed(chunk(content="Hi"), *chunks)["usage"] == USED


def test_usage_absent() -> None:
    assert set(streamed(chunk(content="Hi"), chunk("stop"), DONE)["usage"].values()) == {0}


def test_ends_with_the_usage() -> None:
    """A provider may leave the connection open, and send no [DONE]."""
    stream = chat_streams.call({}).stream()
    out = [stream.feed(chat_streams.event(data)) for data in (chunk("stop", content="Hi"), USAGE)]
    assert strict_client.fold(out)["usage"]["output_tokens"] == 3
    assert stream.feed(chat_streams.event(DONE)) == b""
    assert stream.end() == b""


def test_comments_keep_the_client_awake() -> None:
    comment = sse.Event("", b"", b": OPENROUTER PROCESSING\n\n")
    stream = chat_streams.call({}).stream()
    assert stream.feed(comment) == b"", "before the first chunk nothing is sent"
    out = [stream.feed(chat_streams.event({"choices": [], "prompt_filter_results": []}))]
    out += [stream.feed(comment), stream.feed(chat_streams.event(chunk("stop", content="Hi")))]
    assert out[1] == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert strict_client.fold([*out, stream.end()])["content"] == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    "data, failed",
    [
        pytest.param(
            {"error": {"message": "Overloaded", "type": "overloaded_error"}},
            ("overloaded_error", "Overloaded"),
            id="error",
        ),
        pytest.param(
            chunk("error", content="") | {"error": {"code": "server_error", "message": "Gone"}},
            ("api_error", "Gone"),
            id="OpenRouter",
        ),
        pytest.param(
            {"choices": [{"delta": {}, "error": {"code": 429, "message": "Slow"}}]},
            ("rate_limit_error", "Slow"),
            id="in a choice",
        ),
        pytest.param(
            {"object": "error", "message": "Bad", "type": "BadRequestError", "code": 400},
            ("invalid_request_error", "Bad"),
            id="vLLM, the older form",
        ),
        pytest.param(
            {"code": 50505, "message": "Model service overloaded. Please try again later.", "data": None},
            ("api_error", "Model service overloaded. Please try again later."),
            id="SiliconFlow",
        ),
        pytest.param({"detail": "Gone"}, ("api_error", "Gone"), id="FastAPI"),
        *(
            pytest.param(
                chunk(finish), ("api_error", f"the provider ended its answer with {finish}"), id=finish
            )
            for finish in ("network_error", "insufficient_system_resource", "abort", "MALFORMED_FUNCTION_CALL")
        ),
        pytest.param({"error": "model runner stopped"}, ("api_error", "model runner stopped"), id="Ollama"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [[], [chunk(content="Hi")], [each(tool(0, "a", "Read", "{"))]])
def test_error(data: Any, failed: tuple[str, str], before: list[Any]) -> None:
    stream = chat_streams.call({}).stream()
    for part in before:
        stream.feed(chat_streams.event(part))
    assert stream.feed(chat_streams.event(data)) == sse.encode("error", envelope.body(*failed))
    assert stream.error == failed[0]
    assert stream.feed(chat_streams.event(chunk(content="more"))) == b""
    assert stream.end() == b""


@pytest.mark.parametrize(
    "broken", [b"<html>", b'{"choices":[', b"7", b"null", b"\xff", b"[" * 2000]
)
def test_a_broken_event(broken: bytes) -> None:
    stream = chat_streams.call({}).stream()
    assert stream.feed(chat_streams.event(broken)) == sse.encode(
        "error",
        envelope.body("api_error", "the provider sent an event that is not a completion"),
    )
    assert streamed(chunk(content="Hi"), broken, chunk("stop"))["content"] == [
        chat_streams.text("Hi")
    ]
    assert streamed(chunk(content="Hi"), broken, chunk(content="!"), broken, chunk("stop"))[
        "content"
    ] == [chat_streams.text("Hi!")]


@pytest.mark.parametrize(
    "fields",
    [
        {"id": 7, "created": "now", "usage": "none", "x_groq": 3, "object": []},
        {"choices": [{"index": "0", "delta": {"content": "Hi"}, "finish_reason": 0}, 7]},
        {"choices": [{"delta": {"content": "Hi", "tool_calls": {}, "reasoning_content": {}}}]},
        {"choices": [{"delta": {"content": "Hi", "tool_calls": [7, {"index": []}]}}]},
        {"choices": [{"delta": {"content": "Hi"}, "stop_reason": {}, "usage": 1}]},
        {"choices": [{"delta": {"content": "Hi", "function_call": "x", "role": 1}}]},
    ],
)
def test_a_field_of_an_unexpected_type_ends_no_stream(fields: dict[str, Any]) -> None:
    first = chunk(content="Hi") | fields
    message = streamed(first, chunk("stop"))
    assert (message["content"], message["stop_reason"]) == ([chat_streams.text("Hi")], "end_turn")


@pytest.mark.parametrize("chunks", [[], [chunk(role="assistant")], [DONE]])
def test_no_content(chunks: list[Any]) -> None:
    stream = chat_streams.call({}).stream()
    out = b"".join([stream.feed(chat_streams.event(part)) for part in chunks] + [stream.end()])
    error = ("api_error", "the provider ended the stream without an answer")
    assert out.endswith(sse.encode("error", envelope.body(*error)))


BROKEN = ("api_error", "The stream was interrupted: the provider ended the stream early")


@pytest.mark.parametrize(
    "chunks, failed",
    [
        ([chunk(content="Hi")], BROKEN),
        ([chunk(content="Hi") | {"usage": USAGE["usage"]}], BROKEN),
        ([chunk(reasoning_content="Hm")], BROKEN),
        ([each(tool(0, "a", "Read", "{}"))], BROKEN),
        ([each(tool(0, None, "Read", ""))], BROKEN),
        ([chunk("stop", content="Hi")], None),
        ([chunk(content="Hi"), USAGE], None),
        ([chunk(content="Hi"), DONE], None),
    ],
)
def test_end(chunks: list[Any], failed: tuple[str, str] | None) -> None:
    """Neither a finish reason nor [DONE]: the provider, or a gateway, has ended without an error."""
    stream = chat_streams.call({}).stream()
    out = [stream.feed(chat_streams.event(data)) for data in chunks]
    out.append(stream.end())
    assert stream.error == (failed[0] if failed else "")
    if failed:
        assert out[-1] == sse.encode("error", envelope.body(*failed))
    else:
        assert strict_client.fold(out)["stop_reason"] == "end_turn"


def test_strip() -> None:
    stripped = chat_streams.target(responses="strip")
    thought = chunk(reasoning_content="Hm")
    assert streamed(thought, chunk(content="Hello"), DONE, to=stripped)["content"] == [TEXT]
    nothing = streamed(thought, chunk("stop"), DONE, to=stripped)["content"]
    assert nothing == [{"type": "text", "text": "[No message content]"}]
    # What the provider requires back stays, without what can be read.
    sealed = [{"type": "reasoning.encrypted", "data": "xyz"}]
    thought = chunk(reasoning_content="Hm", reasoning_details=sealed)
    block, text = streamed(thought, chunk(content="Hello"), DONE, to=stripped)["content"]
    assert (block["type"], block["thinking"], text) == ("thinking", "", TEXT)
    assert block["signature"].startswith("route:acme:")


def test_keep() -> None:
    kept = chat_streams.target(responses="keep")
    content = streamed(chunk(reasoning_content="Hm"), chunk(content="Hello"), to=kept)["content"]
    assert content == [THOUGHT | {"signature": ""}, TEXT]


FOX = ("\ud83e", "\udd8a")
LOST = "\ufffd"


@pytest.mark.parametrize(
    "pieces, text",
    [
        (FOX, "🦊"),
        (("a" + FOX[0], FOX[1] + "b"), "a🦊b"),
        ((FOX[0], "", FOX[1]), "🦊"),
        ((FOX[0], FOX[1] + FOX[0], FOX[1]), "🦊🦊"),
        (("a" + FOX[0],), "a" + LOST),
        ((FOX[0], "a", FOX[1]), LOST + "a" + LOST),
        ((FOX[0], FOX[0], FOX[1]), LOST + "🦊"),
        ((" ", FOX[0], FOX[1]), " 🦊"),
    ],
)
@pytest.mark.parametrize("field", ["content", "refusal", "reasoning", "reasoning_content", "tool"])
def test_halves_of_an_emoji(field: str, pieces: tuple[str, ...], text: str) -> None:
    """Some providers count in UTF-16, and cut where an emoji has two units."""
    if field == "tool":
        chunks = [each(tool(0, "a", "Read", '{"p": "'))]
        chunks += [each(tool(0, None, None, piece)) for piece in pieces]
        chunks.append(each(tool(0, None, None, '"}')))
        assert streamed(*chunks)["content"] == calls("a", a={"p": text})
        return
    block = streamed(*(chunk(**{field: piece}) for piece in pieces), DONE)["content"][0]
    assert block.get("text", block.get("thinking")) == text


def test_half_an_emoji_ends_with_its_block() -> None:
    half = chunk(content="a" + FOX[0])
    behind = [chunk(content="", reasoning_content="Hm"), chunk(content=FOX[1])]
    text = {"type": "text", "text": "a" + LOST}
    assert streamed(half, *behind)["content"] == [text, THOUGHT, {"type": "text", "text": LOST}]
    call = each(tool(0, "a", "Read", "{}"))
    assert streamed(half, call)["content"] == [text, *calls("a", a={})]


@pytest.mark.parametrize("first", ['"', "{"])
def test_half_an_emoji_in_arguments_that_wait(first: str) -> None:
    """Until the name is known, or in JSON in a string."""
    whole = '{"p": "' + "".join(FOX) + '"}' if first == "{" else json.dumps('{"p": "🦊"}', ensure_ascii=False).replace("🦊", "".join(FOX))  # fmt: skip
    for cut in range(len(whole) + 1):
        chunks = [each(tool(0, "a", None, whole[:cut])), each(tool(0, None, "Read", whole[cut:]))]
        assert streamed(*chunks)["content"] == calls("a", a={"p": "🦊"}), cut


def test_half_an_emoji_elsewhere() -> None:
    odd = tool(0, "a" + FOX[0], "Read" + FOX[0], {"p": FOX[0]}) | {"extra_content": {"x": FOX[0]}}
    block = streamed(each(odd))["content"][-1]
    assert block["input"] == {"p": LOST}
    details = [{"type": "reasoning.text", "text": half, "index": 0} for half in FOX]
    details[1]["signature"] = "s"
    whole = [details[0] | details[1] | {"text": "🦊"}]
    block = streamed(*(chunk(reasoning_details=[detail]) for detail in details))["content"][0]
    assert block == streamed(chunk(reasoning_details=whole))["content"][0]
    assert block["thinking"] == "🦊"


def test_not_utf_8() -> None:
    """As the standard for server-sent events decodes them."""
    data = b'{"choices":[{"delta":{"content":"a\xf0\x9f"}}]}'
    assert streamed(data)["content"] == [{"type": "text", "text": "a" + LOST}]


def test_an_id_that_the_conversation_has() -> None:
    used = {"type": "tool_use", "id": "call_0", "name": "Read", "input": {}}
    body = {"messages": [{"role": "assistant", "content": [used]}]}
    content = streamed(each(tool(0, "call_0", "Read", "{}")), DONE, body=body)["content"]
    assert content == [used | {"id": "toolu_2"}]


@pytest.mark.parametrize("data", [b"", b"oh no", b'{"error":{"message":"oh no"}}'])
def test_an_event_that_is_named_an_error(data: bytes) -> None:
    stream = chat_streams.call({}).stream()
    stream.feed(sse.Event("error", data, sse.encode("error", data)))
    assert (stream.begun, stream.complete, stream.error) == (False, True, "api_error")


def test_a_ping_begins_no_answer() -> None:
    stream = chat_streams.call({}).stream()
    assert stream.feed(sse.Event("ping", b"{}", b"event: ping\ndata: {}\n\n")) == b""
    assert not stream.begun


def test_what_it_writes_is_counted() -> None:
    stream = chat_streams.call({}).stream()
    stream.feed(chat_streams.event(chunk(content="x" * 400)))
    assert stream.meter.output == 100
    stream.feed(chat_streams.event(chunk(tool_calls=[tool(0, "a", "Read", '{"a":"x"}')])))
    assert stream.meter.output == 103, "as JSON in JSON"
    stream.feed(chat_streams.event(chunk("stop")))
    stream.feed(chat_streams.event(USAGE))
    stream.feed(chat_streams.event(DONE))
    assert stream.meter.output == 3


MALFORMED_CALLS = [
    ('{"command": "ls"', {"command": "ls"}),
    ('{"command": "ls', {"command": "ls"}),
    ('"command": "ls"}', {"command": "ls"}),
    ('{{"command": "ls"}}', {"command": "ls"}),
    ('{"command": "ls"}}', {"command": "ls"}),
    ('{"command": "ls"}\n</tool_call>', {"command": "ls"}),
    ('```json\n{"command": "ls"}\n```', {"command": "ls"}),
    ("{'command': 'ls'}", {"command": "ls"}),
    ("no object", {}),
]


@pytest.mark.parametrize(("arguments", "value"), MALFORMED_CALLS)
def test_broken_arguments_are_repaired(arguments: str, value: object) -> None:
    """At every cut, and with another call after it."""
    for cut in range(len(arguments) + 1):
        message = streamed(
            each(tool(0, "a", "Bash", arguments[:cut])),
            each(tool(0, None, None, arguments[cut:])),
            each(tool(1, "b", "Read", '{"n": 1}'), finish="tool_calls"),
        )
        assert [block["input"] for block in message["content"]] == [value, {"n": 1}]
        assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(("arguments", "value"), MALFORMED_CALLS)
def test_broken_arguments_are_repaired_in_a_whole_answer(arguments: str, value: object) -> None:
    message = chat_streams.answered(
        {"role": "assistant", "content": None, "tool_calls": [tool(0, "a", "Bash", arguments)]},
        finish="tool_calls",
    )
    assert [block["input"] for block in message["content"]] == [value]


def test_arguments_that_are_cut_off_are_not_completed() -> None:
    stream = chat_streams.call({}).stream()
    out = [
        stream.feed(chat_streams.event(data))
        for data in (
            each(tool(0, "a", "Bash", '{"command": "rm -rf /tmp')),
            chunk("length"),
            DONE,
        )
    ]
    assert b"rm -rf /tmp" in b"".join(out)
    assert b'"partial_json":"\\"}"' not in b"".join(out)
    assert b'"stop_reason":"max_tokens"' in b"".join(out)


TAGGED = "<think>A plan</think>\n\nHello"


@pytest.mark.parametrize("responses", ["tag", "strip", "keep"])
def test_think_tags(responses: str) -> None:
    to = chat_streams.target(reasoning="tags", responses=responses)
    signature = "route:acme:tags" if responses == "tag" else ""
    thought = {"type": "thinking", "thinking": "A plan", "signature": signature}
    expected = [*([] if responses == "strip" else [thought]), {"type": "text", "text": "Hello"}]
    for cut in range(len(TAGGED) + 1):
        message = streamed(
            chunk(content=TAGGED[:cut]), chunk(content=TAGGED[cut:]), chunk("stop"), to=to
        )
        assert message["content"] == expected
    assert chat_streams.answered({"content": TAGGED}, to)["content"] == expected


@pytest.mark.parametrize("blank", ["", "\n\n"])
def test_think_tags_around_nothing(blank: str) -> None:
    """Qwen writes them where it doesn't think."""
    to = chat_streams.target(reasoning="tags")
    text, expected = f"<think>{blank}</think>\n\nHello", [{"type": "text", "text": "Hello"}]
    assert (
        streamed(*(chunk(content=each) for each in text), chunk("stop"), to=to)["content"]
        == expected
    )
    assert chat_streams.answered({"content": text}, to)["content"] == expected


def test_think_tags_before_a_call() -> None:
    to = chat_streams.target(reasoning="tags")
    for first in ("<think>A plan</think>\n", "<think>A plan"):
        message = streamed(
            chunk(content=first), each(tool(0, "a", "Read", '{"n": 1}'), finish="tool_calls"), to=to
        )
        kinds = [(block["type"], block.get("thinking")) for block in message["content"]]
        assert kinds == [("thinking", "A plan"), ("tool_use", None)]


def test_think_tags_elsewhere_are_text() -> None:
    assert streamed(chunk("stop", content=TAGGED))["content"] == [{"type": "text", "text": TAGGED}]
    to = chat_streams.target(reasoning="tags")
    assert streamed(chunk("stop", content="<thi"), to=to)["content"] == [
        {"type": "text", "text": "<thi"}
    ]


def test_think_tags_of_a_model_that_is_known_for_them() -> None:
    to = chat_streams.target("MiniMaxAI/MiniMax-M3")
    assert streamed(chunk("stop", content=TAGGED), to=to)["content"][0]["thinking"] == "A plan"


def test_think_tags_go_back_as_they_came() -> None:
    to = chat_streams.target(reasoning="tags")
    content = streamed(chunk("stop", content=TAGGED), to=to)["content"]
    body = {"messages": [{"role": "assistant", "content": content}]}
    assert chat_streams.sent(body, to)["messages"] == [{"role": "assistant", "content": TAGGED}]
    # Another provider doesn't get it.
    other = chat_streams.target(name="other")
    assert chat_streams.sent(body, other)["messages"] == [{"role": "assistant", "content": "Hello"}]
