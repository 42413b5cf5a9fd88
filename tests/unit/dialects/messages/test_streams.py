from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.dialects import usage
from claude_route.dialects.messages import streams
from claude_route.wire import sse


def event(kind: str, **fields: Any) -> bytes:
    return sse.encode(kind, json.dumps({"type": kind, **fields}).encode())


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


START = event(
    "message_start",
    message={"id": "msg_1", "usage": {"input_tokens": 7, "cache_read_input_tokens": 100}},
)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 42})
STOP = event("message_stop")


class Counting:
    """A stream that is fed with its wire."""

    def __init__(self) -> None:
        self.stream = streams.Stream()
        self.decoder = sse.Decoder()

    def feed(self, wire: bytes) -> None:
        for event in self.decoder.feed(wire):
            assert self.stream.feed(event) is event.raw

    @property
    def usage(self) -> usage.Usage:
        return self.stream.meter.usage

    @property
    def output(self) -> int:
        return self.stream.meter.output

    @property
    def complete(self) -> bool:
        return self.stream.complete

    @property
    def error(self) -> str:
        return self.stream.error


def test_a_stream_is_counted() -> None:
    meter = Counting()
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


def test_pings_and_block_starts_are_not_text() -> None:
    meter = Counting()
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
        meter = Counting()
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
    meter = Counting()
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
    meter = Counting()
    for chunk in chunks:
        meter.feed(chunk)
    assert meter.output >= 0


ERROR = sse.encode("error", b'{"type":"error","error":{"type":"overloaded_error"}}')


@pytest.mark.parametrize(
    ("wire", "started", "begun", "error"),
    [
        pytest.param(b"", False, False, "", id="nothing"),
        pytest.param(b": a comment\n\n" + event("ping"), False, False, "", id="signs of life"),
        pytest.param(START, True, False, "", id="an event"),
        pytest.param(START + event("ping"), True, False, "", id="a ping later on"),
        pytest.param(START + BLOCK, True, True, "", id="a block"),
        pytest.param(START + BLOCK.partition(b"\n")[2], True, True, "", id="a nameless block"),
        pytest.param(START + END, True, True, "", id="an end"),
        pytest.param(delta("a"), True, True, "", id="a delta before all else"),
        pytest.param(event("from_the_future"), True, False, "", id="an unknown event"),
        pytest.param(ERROR, False, False, "overloaded_error", id="an error"),
        pytest.param(
            ERROR.partition(b"\n")[2], False, False, "overloaded_error", id="without its name"
        ),
        pytest.param(START + ERROR, True, False, "overloaded_error", id="an error later on"),
        pytest.param(
            START + BLOCK + ERROR.partition(b"\n")[2],
            True,
            True,
            "",
            id="a nameless error later on is no event",
        ),
    ],
)
def test_what_it_begins_with(wire: bytes, started: bool, begun: bool, error: str) -> None:
    counting = Counting()
    counting.feed(wire)
    stream = counting.stream
    assert (stream.started, stream.begun) == (started, begun)
    assert (stream.error, stream.complete) == (error, bool(error))


@pytest.mark.parametrize(
    ("wire", "name"),
    [(START, "error"), (START + delta("a"), "error"), (START + delta("a") + END, "message_stop")],
)
def test_broken(wire: bytes, name: str) -> None:
    stream = Counting()
    stream.feed(wire)
    (last,) = sse.Decoder().feed(stream.stream.broken("reset"))
    assert last.name == name
    assert stream.complete
    if name == "error":
        assert json.loads(last.data)["error"]["message"] == "The stream was interrupted: reset"
    assert stream.error == ("api_error" if name == "error" else "")


@pytest.mark.parametrize(("data", "whole"), [(b"{}", True), (b'{"a":', False), (b"", False)])
def test_is_whole(data: bytes, whole: bool) -> None:
    assert streams.Stream().is_whole(sse.Event("message_stop", data, data)) is whole
