"""Whatever a provider streams, the client gets a grammatical Messages stream."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import conversion
from claude_route.dialects import dialect
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson
from claude_route.wire import sse
from tests import strict_client
from tests.unit import examples

BODY = b'{"model":"claude-x","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
POLICIES = ("tag", "strip", "keep")

NAMES = pytest.mark.parametrize("name", sorted(registry.BY_NAME))


def call(name: str, policy: str = "tag") -> dialect.Call:
    target = examples.target("acme", api=name, thinking={"responses": policy})
    return registry.BY_NAME[name].request(requests.read(BODY), target)


TEXTS = st.sampled_from(["", " ", "a", "é\n", '"}', '{"a"', ": 1}", "{}", "\\", "\ud83d", "\ude00"])
JUNK: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-2, 3) | TEXTS | st.just([]) | st.just({"a": [1]})
)
INDEXES = st.integers(0, 3) | JUNK


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that may lack some of these fields, or have them of another type."""
    return st.fixed_dictionaries({}, optional={key: each | JUNK for key, each in fields.items()})


def mostly(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with these fields, or some() of them."""
    return st.fixed_dictionaries(fields) | some(**fields)


def kind(*names: str) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


USAGE = some(input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9))
BLOCKS = st.one_of(
    mostly(type=kind("text"), text=TEXTS),
    mostly(type=kind("thinking"), thinking=TEXTS, signature=TEXTS),
    mostly(type=kind("redacted_thinking"), data=TEXTS),
    mostly(
        type=kind("tool_use", "server_tool_use"),
        id=kind("a", "b", ""),
        name=kind("Bash"),
        input=st.just({}) | st.just({"a": 1}) | st.just('{"a": 1}'),
    ),
    mostly(type=kind("web_search_tool_result"), content=st.just([])),
)
DELTAS = st.one_of(
    mostly(type=kind("text_delta"), text=TEXTS),
    mostly(type=kind("thinking_delta"), thinking=TEXTS),
    mostly(type=kind("signature_delta"), signature=TEXTS),
    mostly(type=kind("input_json_delta"), partial_json=TEXTS),
    mostly(type=kind("citations_delta", "unknown_delta"), citation=JUNK),
)
MESSAGES = st.one_of(
    mostly(
        type=kind("message_start"),
        message=some(id=TEXTS, content=JUNK, model=TEXTS, role=TEXTS, usage=USAGE, type=TEXTS),
    ),
    mostly(type=kind("content_block_start"), index=INDEXES, content_block=BLOCKS),
    mostly(type=kind("content_block_delta"), index=INDEXES, delta=DELTAS),
    mostly(type=kind("content_block_delta"), index=INDEXES, delta=DELTAS),
    mostly(type=kind("content_block_stop"), index=INDEXES),
    mostly(
        type=kind("message_delta"),
        delta=some(stop_reason=kind("end_turn", "tool_use", "stop"), stop_sequence=TEXTS),
        usage=USAGE,
    ),
    mostly(type=kind("message_stop", "ping", "unknown")),
    JUNK,
)
FUNCTIONS = some(name=kind("Bash", ""), arguments=TEXTS | st.just({"a": 1}))
CHUNK_DELTAS = some(
    role=kind("assistant"),
    content=TEXTS | st.lists(some(type=kind("text", "thinking"), text=TEXTS, thinking=JUNK)),
    reasoning_content=TEXTS,
    reasoning=TEXTS,
    reasoning_details=st.lists(
        some(type=kind("reasoning.text"), text=TEXTS, data=TEXTS, index=INDEXES), max_size=2
    ),
    tool_calls=st.lists(
        some(index=INDEXES, id=kind("a", "b", "c:0"), function=FUNCTIONS, extra_content=JUNK),
        max_size=2,
    ),
    function_call=FUNCTIONS,
)
CHUNKS = mostly(
    choices=st.lists(
        some(
            delta=CHUNK_DELTAS,
            message=CHUNK_DELTAS,
            finish_reason=kind("stop", "tool_calls", "length"),
            stop_reason=JUNK,
        ),
        max_size=2,
    ),
) | some(
    usage=some(prompt_tokens=st.integers(0, 9), completion_tokens=JUNK, prompt_tokens_details=JUNK),
    x_groq=JUNK,
    object=TEXTS,
)
BROKEN = st.sampled_from([b"{", b"<html>", b"\xff", b'"', b"[DONE]", b"", b"[" * 2000])


@st.composite
def event(draw: st.DrawFn, data: st.SearchStrategy[Any]) -> sse.Event:
    raw = draw(BROKEN) if draw(st.integers(0, 9)) == 0 else json.dumps(draw(data)).encode()
    name = ""
    if draw(st.booleans()) and raw.startswith(b"{"):
        try:
            name = rawjson.kind(raw)
        except ValueError:
            name = ""
    return sse.Event(name, raw, sse.encode(name, raw))


EVENTS = {"anthropic": MESSAGES, "openai": CHUNKS}


@NAMES
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_events_come_out_as_a_grammatical_stream(name: str, data: st.DataObject) -> None:
    events = data.draw(st.lists(event(EVENTS[name]), max_size=14))
    stream = call(name, data.draw(st.sampled_from(POLICIES))).stream()
    parts = []
    for each in events:
        parts.append(stream.feed(each))
        assert not stream.begun or stream.started or stream.error
    parts.append(stream.end() if data.draw(st.booleans()) else b"")
    if not stream.complete and stream.started:
        parts.append(stream.broken("reset"))
    if stream.started or stream.complete:
        assert stream.feed(sse.Event("", b"{}", b"data: {}\n\n")) == b"", "it is over"
        message = strict_client.check(parts)
        assert ("error" in message) == bool(stream.error)
    else:
        assert b"".join(parts) == b""


CALLS: st.SearchStrategy[Any] = st.lists(
    st.fixed_dictionaries({"a": st.text(max_size=3) | st.integers() | st.just([{}])}), max_size=3
)
WORDS = st.text(min_size=1, max_size=9).filter(str.strip)
STOPS = st.sampled_from(["end_turn", "max_tokens", "refusal", "stop_sequence"])


@st.composite
def contents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The content of an answer."""
    thoughts = draw(st.lists(WORDS, max_size=1))
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": thought, "signature": "s"} for thought in thoughts
    ]
    content += [{"type": "text", "text": text} for text in draw(st.lists(WORDS, max_size=1))]
    for n, input in enumerate(draw(CALLS)):
        content.append({"type": "tool_use", "id": f"call_{n}", "name": "Bash", "input": input})
    return content


def cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)])]


@st.composite
def message_streams(draw: st.DrawFn, content: list[dict[str, Any]], stop: str) -> bytes:
    """The stream of a Messages provider: in pieces, with or without names, indexes that leave gaps, or
    a call's input where it doesn't belong."""
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"usage": {}}}]
    step, named, stopped = draw(st.integers(1, 2)), draw(st.booleans()), draw(st.booleans())
    for n, block in enumerate(content):
        index = n * step
        start = dict(block)
        deltas: list[dict[str, Any]] = []
        for key, kind in (("text", "text_delta"), ("thinking", "thinking_delta")):
            if key in block:
                start[key] = ""
                deltas += ({"type": kind, key: piece} for piece in cut(draw, block[key]))
        if "signature" in block:
            start["signature"] = ""
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        if "input" in block and (not stopped or draw(st.booleans())):
            start["input"] = {}
            pieces = cut(draw, json.dumps(block["input"]))
            deltas += ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += (
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        )
        if stopped:
            events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop}})
    events.append({"type": "message_stop"})
    return b"".join(
        sse.encode(event["type"] if named else "", json.dumps(event).encode()) for event in events
    )


def received(name: str, wire: bytes) -> dict[str, Any]:
    stream = call(name).stream()
    parts = [stream.feed(event) for event in sse.Decoder().feed(wire)]
    return strict_client.fold([*parts, stream.end()])


def common(message: dict[str, Any]) -> dict[str, Any]:
    """The message without what differs in every answer."""
    return {key: value for key, value in message.items() if key not in ("id", "model", "usage")}


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_messages_stream_spells_what_the_whole_answer_has(data: st.DataObject) -> None:
    content, stop = data.draw(contents()), data.draw(STOPS)
    wire = data.draw(message_streams(content, stop))
    body = {"type": "message", "content": content, "stop_reason": stop, "stop_sequence": None}
    whole = call("anthropic").answer(json.dumps(body).encode())
    assert common(received("anthropic", wire)) == common(json.loads(whole))
    assert strict_client.fold([conversion.streamed(whole)]) == json.loads(whole)
    joiner = conversion.Joiner()
    joiner.feed(conversion.streamed(whole))
    assert json.loads(joiner.whole()) == json.loads(whole)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_chat_stream_spells_what_the_whole_answer_has(data: st.DataObject) -> None:
    content = data.draw(contents())
    finish = data.draw(st.sampled_from(["stop", "length", "content_filter"]))
    message: dict[str, Any] = {"role": "assistant"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for n, block in enumerate(content):
        match block["type"]:
            case "thinking":
                message["reasoning_content"] = block["thinking"]
                pieces = data.draw(pieces_of(block["thinking"]))
                deltas += ({"reasoning_content": piece} for piece in pieces)
            case "text":
                message["content"] = block["text"]
                deltas += ({"content": piece} for piece in data.draw(pieces_of(block["text"])))
            case _:
                function = {"name": "Bash", "arguments": json.dumps(block["input"])}
                made = {"index": n, "id": block["id"], "function": function}
                message.setdefault("tool_calls", []).append(made)
                first, *rest = data.draw(pieces_of(function["arguments"]))
                deltas.append(
                    {"tool_calls": [made | {"function": function | {"arguments": first}}]}
                )
                deltas += (
                    {"tool_calls": [{"index": n, "function": {"arguments": piece}}]}
                    for piece in rest
                )
    chunks: list[Any] = [{"choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    wire = b"".join(sse.encode("", json.dumps(chunk).encode()) for chunk in chunks)
    body = {"choices": [{"message": message, "finish_reason": finish}]}
    whole = json.loads(call("openai").answer(json.dumps(body).encode()))
    assert common(received("openai", wire + b"data: [DONE]\n\n")) == common(whole)


@st.composite
def pieces_of(draw: st.DrawFn, text: str) -> list[str]:
    return cut(draw, text)
