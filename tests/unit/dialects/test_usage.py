from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.dialects import usage
from claude_route.wire import sse


def event(kind: str, **fields: Any) -> bytes:
    return sse.encode(kind, json.dumps({"type": kind, **fields}).encode())


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


START = event(
    "message_start",
    message={"id": "msg_1", "usage": {"input_tokens": 7, "cache_read_input_tokens": 100}},
)
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 42})
STOP = event("message_stop")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, usage.Usage(1, 2, 3, 4, 5)),
        (None, usage.Usage(1, 2, 3, 4, 5)),
        ([], usage.Usage(1, 2, 3, 4, 5)),
        ({"input_tokens": 9}, usage.Usage(9, 2, 3, 4, 5)),
        ({"input_tokens": None, "output_tokens": 0}, usage.Usage(1, 0, 3, 4, 5)),
        ({"input_tokens": "9", "output_tokens": True}, usage.Usage(1, 2, 3, 4, 5)),
        ({"input_tokens": -1, "output_tokens": 1e300}, usage.Usage(1, 2, 3, 4, 5)),
        ({"output_tokens": float("nan")}, usage.Usage(1, 2, 3, 4, 5)),
        (
            {
                "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 40,
                "cache_creation": {"ephemeral_1h_input_tokens": 10},
            },
            usage.Usage(1, 2, 30, 40, 10),
        ),
        ({"cache_creation": "?"}, usage.Usage(1, 2, 3, 4, 5)),
    ],
)
def test_read(fields: Any, expected: usage.Usage) -> None:
    assert usage.read(fields, usage.Usage(1, 2, 3, 4, 5)) == expected


def test_prompt_is_all_that_was_read() -> None:
    assert usage.Usage(1, 2, 30, 400, 100).prompt == 431


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "message", "usage": {"input_tokens": 5, "output_tokens": 6}}, usage.Usage(5, 6)),
        (
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 3,
                    "prompt_tokens_details": {"cached_tokens": 4},
                },
            },
            usage.Usage(6, 3, 4),
        ),
        ({"input_tokens": 12}, usage.Usage(12)),
        ({"type": "message"}, None),
        ({"usage": 3, "input_tokens": None}, None),
    ],
)
def test_of_body(body: Any, expected: usage.Usage | None) -> None:
    assert usage.of_body(json.dumps(body).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[1]", b"[" * 5000])
def test_of_what_is_no_answer(body: bytes) -> None:
    assert usage.of_body(body) is None


def test_half_an_emoji() -> None:
    answer = {"content": [{"type": "text", "text": "\ud83e"}], "usage": {"output_tokens": 3}}
    assert usage.of_body(json.dumps(answer).encode()) == usage.Usage(output=3)


def test_a_stream_is_counted() -> None:
    meter = usage.Meter()
    meter.feed(START)
    assert (meter.usage, meter.output) == (usage.Usage(7, 0, 100), 0)
    for _ in range(10):
        meter.feed(delta("four letters"))
    # An estimate: 120 letters, and what stands around them in this way of writing JSON.
    assert 30 <= meter.output <= 50
    assert not meter.complete
    meter.feed(END)
    assert (meter.usage, meter.output) == (usage.Usage(7, 42, 100), 42)
    meter.feed(STOP)
    assert meter.complete
    assert meter.error == ""


def test_pings_and_beginnings_are_no_words() -> None:
    meter = usage.Meter()
    meter.feed(event("ping"))
    meter.feed(event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
    meter.feed(event("content_block_stop", index=0))
    assert meter.output == 0


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(START + delta("a") + END + STOP, id="lf"),
        pytest.param((START + delta("a") + END + STOP).replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param((START + delta("a") + END + STOP).replace(b": ", b":"), id="no spaces"),
        pytest.param(START + delta("an error in message_start") + END + STOP, id="telling words"),
    ],
)
def test_cuts_make_no_difference(wire: bytes) -> None:
    for place in range(len(wire) + 1):
        meter = usage.Meter()
        meter.feed(wire[:place])
        meter.feed(wire[place:])
        assert (meter.usage, meter.output, meter.complete) == (usage.Usage(7, 42, 100), 42, True), (
            place
        )


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
            "overloaded_error",
        ),
        (b"event: error\ndata: oh no\n\n", "error"),
        (b"event:error\ndata: {}\n\n", "error"),
    ],
)
def test_an_error(wire: bytes, error: str) -> None:
    meter = usage.Meter()
    meter.feed(START + wire)
    assert meter.error == error


@given(
    st.lists(
        st.sampled_from(
            [START, END, STOP, delta("x"), b"event: message_start\ndata: [1]\n\n", b"data", b"\n\n"]
        )
        | st.binary(max_size=20)
    )
)
def test_never_raises(chunks: list[bytes]) -> None:
    meter = usage.Meter()
    for chunk in chunks:
        meter.feed(chunk)
    assert meter.output >= 0
