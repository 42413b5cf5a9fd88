from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.dialects import fold as dialects_fold
from claude_route.dialects import usage
from claude_route.dialects.messages import fold
from tests import growth
from tests.unit.flows import MESSAGE
from tests.unit.flows import SIGNATURE
from tests.unit.flows import STREAM
from tests.unit.flows import wire

BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hmm. é", "signature": SIGNATURE},
    {"type": "text", "text": "Let me look… 🙂", "citations": [{"url": "https://a"}]},
    {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls -la"}},
]


def test_a_stream_of_messages() -> None:
    assert fold.stream(STREAM) == dialects_fold.Answer(
        id="msg_1",
        model="claude-opus-5-5",
        blocks=BLOCKS,
        stop="tool_use",
        usage=usage.Usage(7, 42, 100),
        complete=True,
        events=18,
        pings=1,
    )


def test_a_whole_message() -> None:
    message = MESSAGE | {"type": "message", "content": BLOCKS, "stop_reason": "tool_use"}
    folded = dataclasses.replace(fold.stream(STREAM), events=0, pings=0)
    folded.usage = usage.Usage(7, 1, 100)
    assert fold.body(json.dumps(message).encode()) == folded


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(STREAM, id="messages"),
        pytest.param(STREAM.replace(b"\n", b"\r\n"), id="crlf"),
    ],
)
def test_cuts_make_no_difference(whole: bytes) -> None:
    expected = fold.stream(whole)
    for place in range(len(whole) + 1):
        folding = fold.Fold()
        folding.feed(whole[:place])
        so_far = folding.answer()
        assert so_far.unread == 0, "a cut event is none yet"
        folding.feed(whole[place:])
        assert folding.answer() == expected, place


def test_an_index_used_again() -> None:
    """Claude Code treats it as another block."""
    block = {"type": "content_block_start", "index": 0}
    texts = [{**block, "content_block": {"type": "text", "text": text}} for text in ("a", "b")]
    answer = fold.stream(wire(texts[0], {"type": "content_block_stop", "index": 0}, texts[1]))
    assert [block["text"] for block in answer.blocks] == ["a", "b"]


def test_what_is_there_of_a_tool_call() -> None:
    cut = STREAM[: STREAM.index(b" -la")]
    assert fold.stream(cut).blocks[2] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "Bash",
        "input": {},
        "partial_json": '{"command": "ls',
    }
    assert not fold.stream(cut).complete


@pytest.mark.parametrize(
    ("events", "error"),
    [
        (
            [{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}],
            ("overloaded_error", "Overloaded"),
        ),
        ([b"event: error\ndata: gone away\n\n"], ("error", "gone away")),
        ([b'data: {"error":{"message":"no","code":502}}\n\n'], ("502", "no")),
    ],
)
def test_an_error_in_a_stream(events: list[Any], error: tuple[str, str]) -> None:
    answer = fold.stream(wire({"type": "message_start", "message": MESSAGE}, *events))
    assert (answer.error, answer.complete, answer.unread) == (error, False, 0)


@pytest.mark.parametrize(
    "event",
    [
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        b"data: {}\n\n",
        b"data: \xff\n\n",
        b"data: " + b"[" * 5000 + b"\n\n",
        b'data: {"type":"message_start"}\n\n',
        b'data: {"type":"content_block_start","index":"x","content_block":{}}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":["x"]}}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":1}}\n\n',
        b'data: {"type":"from_the_future"}\n\n',
        b'data: {"choices":[{"delta":3}]}\n\n',
    ],
)
def test_what_can_not_be_read_is_counted(event: bytes) -> None:
    first = wire({"type": "message_start", "message": MESSAGE})
    last = wire({"type": "message_stop"})
    answer = fold.stream(first + event + last)
    assert (answer.unread, answer.events, answer.complete) == (1, 3, True)


def test_half_of_a_surrogate_pair() -> None:
    event = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83e"}}'
    answer = fold.stream(event + b"\n\n")
    assert answer.blocks == [{"type": "?", "text": "\ufffd"}]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}',
            ("rate_limit_error", "slow down"),
        ),
        (b'{"error":"no such model"}', ("error", "no such model")),
    ],
)
def test_an_error_body(body: bytes, error: tuple[str, str]) -> None:
    assert fold.body(body).error == error


def delta(text: str, index: int = 0, kind: str = "text", pad: str = "") -> bytes:
    """As Anthropic writes it."""
    names = {"text": "text", "thinking": "thinking", "input_json": "partial_json"}
    fields = f'"type":"{kind}_delta","{names[kind]}":{json.dumps(text)}'
    data = f'{{"type":"content_block_delta","index":{index},"delta":{{{fields}}}{pad}}}'
    return f"event: content_block_delta\ndata: {data}\n\n".encode()


def start(index: int, kind: str) -> bytes:
    block = {"type": kind, "text": ""} if kind == "text" else {"type": kind, "id": "t", "name": "x"}
    return wire({"type": "content_block_start", "index": index, "content_block": block})


PING = b'event: ping\ndata: {"type": "ping"}\n\n'
SIGNED = wire(
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "abc"},
    }
)
MALFORMED = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{'
    b'"type":"text_delta","text":"%b\n\n'
)


@pytest.mark.parametrize(
    ("stream", "joins"),
    [
        pytest.param([delta("a"), delta("b"), delta("c")], 1, id="all"),
        pytest.param([start(0, "text"), delta("a"), delta("b"), delta("c"), PING], 1, id="a run"),
        pytest.param([delta("a"), delta("b"), PING, delta("c"), delta("d")], 0, id="a ping"),
        pytest.param([delta('"\\é\n{"}}'), delta("\\"), delta('\\"'), PING], 1, id="escapes"),
        pytest.param([delta(t, pad=" " * n) for n, t in enumerate("abcd")], 2, id="padding"),
        pytest.param([delta("a", n % 2) for n in range(400)], 0, id="two blocks in turn"),
        pytest.param(
            [
                start(0, "thinking"),
                *[delta("h", 0, "thinking")] * 5,
                SIGNED,
                start(1, "tool_use"),
                *[delta(part, 1, "input_json") for part in ('{"a"', ":", "1", "}")],
                wire({"type": "content_block_stop", "index": 1}),
            ],
            5,
            id="kinds",
        ),
        pytest.param([delta("a"), MALFORMED % b'x","y":"z"}}', delta("b"), PING], 0, id="a field"),
        pytest.param([delta("a"), delta("b"), MALFORMED % b"x", delta("c"), PING], 0, id="no end"),
        pytest.param([delta("a"), delta("b"), MALFORMED % b'x\\"}}', PING], 0, id="no quote"),
        pytest.param([b": ", *[delta("a")] * 9], 0, id="a comment"),
        pytest.param([delta("\ud83d"), delta("\ude42"), delta("x"), PING], 1, id="halves"),
    ],
)
def test_deltas_that_follow_each_other_are_read_as_one(stream: list[bytes], joins: int) -> None:
    whole = b"".join(stream)
    for end in {len(whole), *range(max(len(whole) - 300, 0), len(whole))}:
        folding = fold.Fold()
        folding.feed(whole[:end])
        if b"\\ud83d" not in whole:
            assert fold.stream(whole[:end]) == folding.answer()
    assert fold.joined(whole).events >= joins


def test_long_streams_take_linear_time() -> None:
    for piece in (delta("a"), delta("a") + PING, delta("a") + delta("b", 1)):
        wholes = {size: piece * (size // len(piece)) for size in (500_000, 2_000_000)}
        grown = growth.of(lambda size: fold.joined(wholes[size]), 500_000)  # noqa: B023
        assert grown < growth.LINEAR


PARTS = st.sampled_from(
    [
        b"event: content_block_delta\n",
        b'data: {"type":"content_block_delta","index":',
        b'0,"delta":{"type":"text_delta","text":"',
        b'12345,"delta":{"type":"text_delta","text":"',
        b'0,"delta":{"type":"signature_delta","signature":"',
        b"e",
        b"\n\n",
    ]
)


@given(st.lists(PARTS, max_size=9).map(b"".join), st.integers(0, 60))
def test_a_head_is_found_where_a_search_finds_it(wire: bytes, at: int) -> None:
    found, searched = fold._head(wire, at), fold._HEAD.search(wire, at)
    assert (found and found.span()) == (searched and searched.span())
