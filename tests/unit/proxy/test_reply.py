from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from mitmproxy import http

from claude_route.dialects import dialect
from claude_route.dialects import registry
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.proxy import bodies
from claude_route.proxy import reply
from claude_route.wire import sse
from tests.unit import examples

EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("message_start", {"message": {"id": "msg_1", "content": []}}),
    ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "naïve 考"}}),
    ("content_block_stop", {"index": 0}),
    ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
    ("message_stop", {}),
]
WIRES = [
    sse.encode(name, json.dumps({"type": name, **fields}, ensure_ascii=False).encode())
    for name, fields in EVENTS
]
WIRE = b"".join(WIRES)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": OPENROUTER PROCESSING\n\n"
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
ERROR = sse.encode("error", OVERLOADED)
STOP = sse.encode("message_stop", b'{"type":"message_stop"}')
REPEATED = b'{"type":"error","error":{"type":"api_error","message":"no a-key"}}'
MESSAGE = b'{"type":"message","content":[{"type":"text","text":"an \\"error\\": none"}]}'


def head(status: int = 200, kind: str = "text/event-stream", **more: str) -> http.Response:
    response = http.Response.make(status, b"")
    del response.headers["content-length"]
    for name, value in {"content-type": kind, **more}.items():
        response.headers[name.replace("_", "-")] = value
    return response


ANTHROPIC = examples.target("anthropic")
VLLM = examples.target("vllm", api="openai")
REQUEST = requests.read(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}')


def anthropics() -> dialect.Call:
    return registry.of(ANTHROPIC.provider).request(REQUEST, ANTHROPIC)


def completions() -> dialect.Call:
    return registry.of(VLLM.provider).request(REQUEST, VLLM)


class Relayed:
    """An upstream's answer, fed piece by piece: what the client got, and how long it could be
    replaced."""

    def __init__(
        self,
        response: http.Response,
        pieces: Iterable[bytes],
        end: str | None = "",
        translator: Callable[[], dialect.Call] = anthropics,
        wants: bodies.Wanted = "stream",
    ) -> None:
        """`end` is why it was interrupted; empty if it ended well, None if it goes on."""
        self.reply = reply.judge(response, translator(), wants=wants)
        self.held = self.out = b""
        for piece in pieces:
            self._take(self.reply.feed(piece))
        if end == "":
            self._take(self.reply.end())
        elif end:
            self.out += self.reply.broken(end)

    def _take(self, out: bytes) -> None:
        if self.reply.failure:
            return
        self.held += out
        if self.reply.good:
            self.out, self.held = self.out + self.held, b""

    @property
    def failure(self) -> tuple[str, str] | None:
        found = self.reply.failure
        return (found.kind, found.detail) if found else None

    @property
    def content(self) -> bytes:
        found = self.reply.failure
        return (found.response.content or b"") if found and found.response else b""


def cuts(wire: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, in sevens, and in two at every place."""
    for size in (1, 7, len(wire)):
        yield [wire[start : start + size] for start in range(0, len(wire), size)]
    for place in range(1, len(wire)):
        yield [wire[:place], wire[place:]]


def gzip(data: bytes) -> bytes:
    return zlib.compress(data, wbits=31)


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


ENCODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstandard.ZstdCompressor().compress),
    ("gzip, br", lambda data: brotli.compress(gzip(data))),
]


# Streams


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(WIRE, id="lf"),
        pytest.param(WIRE.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(COMMENT + PING + WIRE, id="comment and ping first"),
        pytest.param(WIRES[0] + b"event: weather\ndata: 1\ndata: 2\n\n" + WIRES[-1], id="unknown"),
        pytest.param(WIRE + COMMENT, id="comment last"),
        pytest.param(WIRES[0] + WIRES[1] + ERROR, id="error later on"),
    ],
)
def test_a_stream_passes_as_it_came_whatever_the_cuts(wire: bytes) -> None:
    for pieces in cuts(wire):
        relayed = Relayed(head(), pieces)
        assert (relayed.out, relayed.failure, relayed.reply.complete) == (wire, None, True)


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)
def test_a_compressed_stream_is_decoded(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    for pieces in cuts(compress(WIRE)):
        relayed = Relayed(head(content_encoding=encoding), pieces)
        assert (relayed.out, relayed.failure) == (WIRE, None)
        assert "content-encoding" not in relayed.reply.response.headers


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)
def test_a_stream_that_was_decoded_on_the_way(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """The header stayed: agentgateway#3040"""
    relayed = Relayed(head(content_encoding=encoding), [WIRE[:60], WIRE[60:]])
    assert (relayed.out, relayed.failure) == (WIRE, None)


def test_a_stream_whose_encoding_is_not_declared() -> None:
    for pieces in cuts(gzip(WIRE)):
        relayed = Relayed(head(), pieces)
        assert (relayed.out, relayed.failure) == (WIRE, None)


def test_each_event_passes_when_it_is_there() -> None:
    stream = reply.judge(head(), anthropics())
    for wire in WIRES:
        assert stream.feed(wire[:-1]) == b""
        assert stream.feed(wire[-1:]) == wire


def test_it_is_good_from_its_first_block_on() -> None:
    stream = reply.judge(head(), anthropics())
    for wire in (COMMENT, PING, b"event: ping\n\n", WIRES[0], PING):
        assert stream.feed(wire) == wire
        assert not stream.good
        assert stream.started is (wire is WIRES[0] or stream.started)
    stream.feed(WIRES[1])
    assert stream.good and stream.started and not stream.complete


def test_it_is_good_sooner_if_nobody_waits_for_a_block() -> None:
    stream = reply.judge(head(), anthropics())
    stream.feed(PING)
    stream.commit()
    assert not stream.good, "only a ping"
    stream.feed(WIRES[0])
    stream.commit()
    assert stream.good
    stream = reply.judge(head(), anthropics())
    stream.feed(WIRES[0] + PING * 3000)
    assert stream.good, "memory is limited"


@pytest.mark.parametrize("before", [b"", COMMENT, COMMENT * 3 + PING, WIRES[0], WIRES[0] + PING])
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ERROR, id="lf"),
        pytest.param(ERROR.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(b"event:error\ndata:" + OVERLOADED + b"\n\n", id="no blanks"),
        pytest.param(b"data: " + OVERLOADED + b"\n\n", id="no name"),
        pytest.param(b"data: { " + OVERLOADED[1:] + b"\n\n", id="blank in its data"),
        pytest.param(b"data: " + OVERLOADED, id="unfinished"),
    ],
)
def test_an_error_as_the_first_event_is_no_answer(before: bytes, error: bytes) -> None:
    for pieces in cuts(before + error):
        relayed = Relayed(head(), pieces)
        assert relayed.out == b""
        why = (
            "an error before the first block"
            if WIRES[0] in before
            else "the first event is an error"
        )
        assert relayed.failure == ("event", why)
        assert json.loads(relayed.content)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("events", range(2, len(WIRES) + 1))
def test_what_comes_after_it_died(events: int) -> None:
    sent = b"".join(WIRES[:events])
    for rest in (b"", b": hm\n", *(WIRES[2][:place] for place in range(1, len(WIRES[2]) - 1))):
        relayed = Relayed(head(), [sent + rest], end="connection reset")
        match events:
            case 6:
                assert relayed.out == sent
            case 5:
                assert relayed.out == sent + STOP, "all there but the last word"
            case _:
                last = relayed.out.removeprefix(sent)
                (event,) = sse.Decoder().feed(last)
                assert event.name == "error"
                error = json.loads(event.data)["error"]
                assert error["type"] == "api_error"
                assert error["message"] == "The stream was interrupted: connection reset"
        assert relayed.reply.complete
        assert relayed.reply.broken("again") == relayed.reply.end() == relayed.reply.feed(
            WIRE
        ) == b"" or (events == 6)


@pytest.mark.parametrize(
    ("wire", "out"),
    [
        pytest.param(WIRE[:-1], WIRE, id="no blank line"),
        pytest.param(WIRE[:-2], WIRE, id="no line end"),
        pytest.param(WIRE.removesuffix(WIRES[-1]), WIRE[: -len(WIRES[-1])] + STOP, id="no stop"),
        pytest.param(b"".join(WIRES[:-1]) + WIRES[-1][:-5], None, id="stop cut in its data"),
        pytest.param(b"".join(WIRES[:-1]) + b"event: message_stop\n", None, id="stop without data"),
    ],
)
def test_streams_that_end_untidily(wire: bytes, out: bytes | None) -> None:
    relayed = Relayed(head(), [wire])
    assert relayed.reply.complete
    assert relayed.out == (out or b"".join(WIRES[:-1]) + STOP)


def test_a_half_event_never_arrives() -> None:
    for place in range(len(WIRES[0] + WIRES[1]), len(WIRE)):
        for end in ("", "connection reset"):
            decoder = sse.Decoder()
            events = decoder.feed(Relayed(head(), [WIRE[:place]], end).out)
            assert decoder.rest() == b""
            assert events[-1].name in ("error", "message_stop")
            assert all(json.loads(event.data) for event in events)


@pytest.mark.parametrize(
    ("pieces", "end", "detail"),
    [
        pytest.param([], "reset by peer", "reset by peer", id="died before anything"),
        pytest.param([COMMENT], "reset by peer", "reset by peer", id="died after a comment"),
        pytest.param([PING * 3000], None, "sent only pings", id="only pings"),
        pytest.param([COMMENT] * 3000, None, "sent only pings", id="only comments"),
    ],
)
def test_streams_that_never_begin(pieces: list[bytes], end: str | None, detail: str) -> None:
    relayed = Relayed(head(), pieces, end)
    assert (relayed.out, relayed.failure) == (b"", ("reset", detail))


def test_a_stream_that_ends_before_its_first_event_is_left_undecided() -> None:
    relayed = Relayed(head(), [COMMENT, WIRES[0][:20]])
    assert (relayed.out, relayed.failure, relayed.reply.good) == (b"", None, False)


@pytest.mark.parametrize("begun", [b"", gzip(WIRE)[:160]])
def test_data_that_is_not_in_its_encoding(begun: bytes) -> None:
    relayed = Relayed(head(content_encoding="gzip"), [begun, b"\xff" * 300], None)
    if begun:
        assert sse.Decoder().feed(relayed.out)[-1].name == "error"
        assert relayed.reply.complete
    else:
        assert relayed.failure and relayed.failure[0] == "reset"
        assert relayed.failure[1].startswith("content-encoding: invalid gzip data")


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)
def test_data_that_bursts(
    monkeypatch: pytest.MonkeyPatch, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(bodies, "MAX_ANSWER", 10_000)
    relayed = Relayed(head(content_encoding=encoding), [compress(b": 0\n\n" * 100_000)], None)
    assert relayed.failure == ("reset", "body: expected at most 10000 bytes, got more")


# Chat Completions


def chunk(**choice: Any) -> bytes:
    choices = [{"index": 0, **choice}] if choice else []
    return b"data: " + json.dumps({"id": "c", "choices": choices}).encode() + b"\n\n"


BEGIN = chunk(delta={"role": "assistant", "content": "hello"})
FINISH = chunk(delta={}, finish_reason="stop")
DONE = b"data: [DONE]\n\n"


def names(wire: bytes) -> list[str]:
    decoder = sse.Decoder()
    found = [event.name for event in decoder.feed(wire)]
    assert decoder.rest() == b""
    return found


@pytest.mark.parametrize(
    ("wire", "last"),
    [
        pytest.param(BEGIN + FINISH + DONE, "message_stop", id="well"),
        pytest.param(BEGIN + FINISH, "message_stop", id="no done"),
        pytest.param(BEGIN + FINISH + DONE[:-2], "message_stop", id="no blank line"),
        pytest.param(COMMENT + BEGIN + FINISH + DONE, "message_stop", id="comment first"),
        pytest.param(
            BEGIN + b'data: {"error":{"message":"m","code":502}}\n\n', "error", id="error later on"
        ),
        pytest.param(
            chunk(delta={"content": "\nevent: error\nevent: message_stop\n"}) + FINISH + DONE,
            "message_stop",
            id="text that looks like events",
        ),
    ],
)
def test_completions_become_events(wire: bytes, last: str) -> None:
    for pieces in cuts(wire):
        relayed = Relayed(head(), pieces, translator=completions)
        assert relayed.failure is None
        found = names(relayed.out)
        assert next(name for name in found if name != "ping") == "message_start"
        assert (found[-1], relayed.reply.complete) == (last, True)
        assert found.count(last) == 1


def test_text_does_not_end_completions() -> None:
    text = chunk(delta={"content": "x\nevent: message_stop\ndata: {}\n\nevent: error\n"})
    relayed = Relayed(head(), [text], None, translator=completions)
    assert relayed.reply.good and not relayed.reply.complete


@pytest.mark.parametrize(
    ("translator", "before", "error"),
    [
        pytest.param(anthropics, WIRES[0] + WIRES[1], sse.encode("error", REPEATED), id="messages"),
        pytest.param(completions, BEGIN, b"data: " + REPEATED + b"\n\n", id="completions"),
    ],
)
def test_a_key_that_an_error_repeats_is_taken_out_of_it(
    translator: Callable[[], dialect.Call], before: bytes, error: bytes
) -> None:
    for pieces in cuts(before + error):
        judged = reply.judge(
            head(), translator(), lambda text: text.replace(b"a-key", "…".encode())
        )
        out = b"".join(map(judged.feed, pieces)) + judged.end()
        *_, last = sse.Decoder().feed(out)
        assert last.name == "error"
        assert json.loads(last.data)["error"]["message"].endswith("no …")
        assert b"a-key" not in out


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(b'{"error":{"message":"Provider returned error","code":502}}', id="alone"),
        pytest.param(b'{"id":"c","error":{"message":"no","code":502},"choices":[]}', id="beside"),
        pytest.param(b"no json", id="no json"),
    ],
)
def test_an_error_as_the_first_chunk_is_no_answer(first: bytes) -> None:
    relayed = Relayed(head(), [COMMENT, b"data: " + first + b"\n\n"], None, translator=completions)
    assert (relayed.out, relayed.content) == (b"", first)
    assert relayed.failure == ("event", "the first event is an error")


@pytest.mark.parametrize("at", [1, 2])
def test_completions_that_break_off(at: int) -> None:
    relayed = Relayed(head(), [BEGIN] * at, "reset", translator=completions)
    assert names(relayed.out)[-1] == "error"


def test_completions_under_a_name_of_their_own_end_as_others_do() -> None:
    named = (BEGIN + FINISH + DONE).replace(b"data: ", b"event: chunk\ndata: ")
    relayed = Relayed(head(), [named], translator=completions)
    assert names(relayed.out)[-1] == "message_stop"
    assert relayed.reply.complete


# Usage

COUNTED = WIRE.replace(b'"content": []', b'"usage": {"input_tokens": 7}')
USAGE = chunk().replace(b'"choices": []', b'"usage": {"prompt_tokens": 7, "completion_tokens": 3}')


@pytest.mark.parametrize(
    ("translator", "wire"),
    [
        pytest.param(anthropics, COUNTED, id="messages"),
        pytest.param(completions, BEGIN + FINISH + USAGE + DONE, id="completions"),
    ],
)
def test_a_stream_is_counted_as_it_passes(
    translator: Callable[[], dialect.Call], wire: bytes
) -> None:
    for pieces in cuts(wire):
        counted = reply.judge(head(), translator())
        outputs = []
        for piece in pieces:
            counted.feed(piece)
            outputs.append(counted.output)
        assert counted.usage == usage.Usage(7, 3)
        assert outputs[-1] == 3
        assert (counted.complete, counted.error) == (True, "")


def test_output_is_estimated_until_it_is_reported() -> None:
    counted = reply.judge(head(), anthropics())
    counted.feed(COUNTED[: COUNTED.index(b"event: content_block_stop")])
    assert counted.usage == usage.Usage(7)
    assert counted.output > 0


@pytest.mark.parametrize(
    ("wire", "end", "error"),
    [
        pytest.param(WIRE, "", "", id="none"),
        pytest.param(WIRES[0] + WIRES[1] + ERROR, "", "overloaded_error", id="the upstream's"),
        pytest.param(WIRES[0] + WIRES[1], "reset", "api_error", id="ours"),
        pytest.param(b"".join(WIRES[:-1]), "reset", "", id="all there but the last word"),
    ],
)
def test_the_error_that_ended_it(wire: bytes, end: str, error: str) -> None:
    relayed = Relayed(head(), [wire], end)
    assert (relayed.reply.error, relayed.reply.complete) == (error, True)


def test_a_whole_answer_is_counted() -> None:
    relayed = whole(b'{"type":"message","content":[],"usage":{"input_tokens":7,"output_tokens":3}}')
    assert (relayed.reply.usage, relayed.reply.output) == (usage.Usage(7, 3), 3)
    body = b'{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
    relayed = Relayed(head(200, "application/json"), [body], translator=completions)
    assert (relayed.reply.usage, relayed.reply.output) == (usage.Usage(7, 3), 3)
    assert whole(MESSAGE).reply.usage is None


def test_an_answer_that_is_none_took_nothing() -> None:
    refused = Relayed(head(429, "application/json"), [OVERLOADED]).reply
    assert (refused.usage, refused.output, refused.error) == (None, 0, "")


# Whole answers


def whole(body: bytes, *, end: str | None = "", **more: str) -> Relayed:
    response = head(200, "application/json", **more)
    return Relayed(response, [body[:10], body[10:]], end, wants="whole")


def test_a_whole_answer_is_good_when_it_has_ended() -> None:
    assert not whole(MESSAGE, end=None).reply.good
    relayed = whole(MESSAGE)
    assert (relayed.out, relayed.reply.complete) == (MESSAGE, True)
    assert relayed.reply.response.headers["content-length"] == str(len(MESSAGE))


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)
def test_a_compressed_whole_answer(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    relayed = whole(compress(MESSAGE), content_encoding=encoding)
    assert (relayed.out, relayed.failure) == (MESSAGE, None)
    assert whole(compress(MESSAGE)[:-1], content_encoding=encoding).out == b""


@pytest.mark.parametrize(
    "body",
    [
        OVERLOADED,
        b' {"error": {"message": "no"}}',
        b'{"error": {"message": "half an emoji \\ud83e"}}',
    ],
)
def test_an_error_with_status_200(body: bytes) -> None:
    relayed = whole(body)
    assert (relayed.out, relayed.content) == (b"", body)
    assert relayed.failure == ("event", "an error with status 200")


@pytest.mark.parametrize("inside", [b'"\xff"', b"[" * 100_000 + b"]" * 100_000])
def test_an_unreadable_body_is_no_answer(inside: bytes) -> None:
    relayed = whole(b'{"error": %b}' % inside)
    assert relayed.failure and relayed.failure[0] == "reset"
    assert relayed.out == relayed.content == b""


def test_an_invalid_whole_answer() -> None:
    relayed = Relayed(head(200, "application/json"), [b"<html>"], translator=completions)
    assert relayed.failure and relayed.failure[0] == "event"


def test_a_whole_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_ANSWER", 20)
    relayed = whole(MESSAGE, end=None)
    assert relayed.failure == ("reset", "body: expected at most 20 bytes, got more")


def test_a_whole_answer_that_breaks_off_is_left_undecided() -> None:
    relayed = whole(MESSAGE[:30], end="reset")
    assert (relayed.out, relayed.failure, relayed.reply.good) == (b"", None, False)


# Refusals


@pytest.mark.parametrize("status", [100, 199, 300, 302, 400, 401, 404, 429, 500, 529, 599])
def test_any_other_status_is_no_answer(status: int) -> None:
    relayed = Relayed(head(status, "application/json"), [OVERLOADED[:9], OVERLOADED[9:]])
    assert (relayed.out, relayed.content) == (b"", OVERLOADED)
    assert relayed.failure == ("status", f"HTTP {status}")


def test_its_body_is_waited_for() -> None:
    assert Relayed(head(500), [OVERLOADED], None).failure is None


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)
def test_a_compressed_error(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    relayed = Relayed(head(429, content_encoding=encoding), [compress(OVERLOADED)])
    assert relayed.content == OVERLOADED
    assert "content-encoding" not in relayed.reply.failure.response.headers  # type: ignore[union-attr]


@pytest.mark.parametrize(("encoding", "compress"), ENCODINGS)
def test_a_compressed_error_that_bursts(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    relayed = Relayed(head(429, content_encoding=encoding), [compress(bytes(3_000_000))])
    assert relayed.failure == ("status", "HTTP 429")
    assert len(relayed.content) <= bodies.MAX_ERROR_BODY


def test_a_compressed_error_that_is_cut_says_what_it_can() -> None:
    text = b"".join(b"line %d, " % n for n in range(2000))
    relayed = Relayed(head(500, content_encoding="gzip"), [gzip(text)[:1000]])
    assert relayed.content and text.startswith(relayed.content)


def test_an_error_longer_than_any_is_not_waited_for() -> None:
    relayed = Relayed(head(500), [b"x" * 50_000] * 2, None)
    assert relayed.failure == ("status", "HTTP 500")
    assert len(relayed.content) == bodies.MAX_ERROR_BODY


def test_an_unknown_encoding_is_found_in_the_headers() -> None:
    relayed = Relayed(head(content_encoding="compress"), [], None)
    assert relayed.failure and relayed.failure[0] == "reset"
    assert "'compress'" in relayed.failure[1]


# Headers


@pytest.mark.parametrize("status", [200, 429])
def test_the_headers_are_ours(status: int) -> None:
    upstream = head(
        status,
        content_length="9",
        transfer_encoding="chunked",
        connection="close, x-hop",
        keep_alive="timeout=5",
        content_encoding="identity",
        request_id="req_1",
        retry_after="3",
    )
    upstream.http_version = "HTTP/2.0"
    relayed = Relayed(upstream, [WIRE])
    failure = relayed.reply.failure
    given = failure.response if failure else relayed.reply.response
    assert isinstance(given, http.Response)
    kept = {"content-type", "request-id", "retry-after"} | (
        {"content-length"} if failure else set()
    )
    assert set(given.headers) == kept
    assert given.http_version == "HTTP/1.1"
    assert "transfer-encoding" in upstream.headers, "the upstream's own is left alone"
