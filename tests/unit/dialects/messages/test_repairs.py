from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from claude_route.dialects.messages import repairs
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking_answer
from claude_route.wire import sse
from tests import strict_client
from tests.unit.dialects.messages import test_answers

LS = {"command": "ls"}
TEXT = {"type": "text", "text": "Hello"}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "s"}


def bash(id: str = "a", **input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "Bash", "input": input or LS}


def encoded(*events: Any, names: bool = True) -> bytes:
    return b"".join(
        event
        if isinstance(event, bytes)
        else sse.encode(event["type"] if names else "", json.dumps(event).encode())
        for event in events
    )


def start(**fields: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": "glm-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    return {"type": "message_start", "message": message | fields}


def begin(index: Any, block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def begin_text(index: Any = 0) -> dict[str, Any]:
    return begin(index, {"type": "text", "text": ""})


def begin_thought(index: Any = 0) -> dict[str, Any]:
    return begin(index, {"type": "thinking", "thinking": "", "signature": ""})


def begin_call(index: Any = 0, id: Any = "a", input: Any = None) -> dict[str, Any]:
    use = {"type": "tool_use", "id": id, "name": "Bash"}
    return begin(index, use | {"input": {} if input is None else input})


def add(index: Any, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def say(text: Any, index: Any = 0) -> dict[str, Any]:
    return add(index, "text_delta", text=text)


def think(text: str, index: Any = 0) -> dict[str, Any]:
    return add(index, "thinking_delta", thinking=text)


def sign(signature: str = "s", index: Any = 0) -> dict[str, Any]:
    return add(index, "signature_delta", signature=signature)


def give(json: str, index: Any = 0) -> dict[str, Any]:
    return add(index, "input_json_delta", partial_json=json)


def stop(index: Any = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ending(reason: Any = "end_turn", **usage: Any) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5} | usage}


OVER = {"type": "message_stop"}
PING = {"type": "ping"}
END = (ending(), OVER)
HELLO = (begin_text(), say("Hel"), say("lo"), stop())


def pieces(
    wire: bytes, place: int, editor: thinking_answer.Editor | None = None
) -> Iterable[bytes]:
    """What the client gets for a stream that is cut in two at a place."""
    stream = repairs.Stream(test_answers.context(), editor)
    decoder = sse.Decoder()
    for piece in (wire[:place], wire[place:]):
        yield from map(stream.feed, decoder.feed(piece))
    yield stream.end()


def folded(wire: bytes) -> dict[str, Any]:
    """The client's message, which is the same wherever the stream is cut."""
    whole = b"".join(pieces(wire, len(wire)))
    for place in range(0, len(wire), 11):
        assert b"".join(pieces(wire, place)) == whole
    return strict_client.fold([whole])


CONTENTS = [
    pytest.param([begin_text(), say("Hel"), say("lo"), stop()], [TEXT], id="in order"),
    pytest.param([begin_text(3), say("Hello", 3), stop(3)], [TEXT], id="first index"),
    pytest.param([begin_text("0"), say("Hello", "0"), stop("0")], [TEXT], id="index of another type"),
    pytest.param([begin_text(None), say("Hello", None), stop(None)], [TEXT], id="no index"),
    pytest.param(
        [begin_text(), say("Hello"), stop(), begin_call(5), give('{"command":', 5), give('"ls"}', 5), stop(5)],
        [TEXT, bash()],
        id="gap",
    ),
    pytest.param([*HELLO, begin_call(0), give('{"command":"ls"}'), stop()], [TEXT, bash()], id="index used again"),
    pytest.param([say("Hel"), say("lo")], [TEXT], id="no start, no stop"),
    pytest.param([begin_text(), say("Hello")], [TEXT], id="no stop"),
    pytest.param([begin_text(), say("Hello"), begin_call(1), give('{"command":"ls"}', 1)], [TEXT, bash()], id="no stops"),
    pytest.param([begin_text(), begin_text(), say("Hello"), stop(), stop()], [TEXT], id="repeated start and stop"),
    pytest.param([begin_text(), say("Hel"), begin_text(), say("lo"), stop()], [TEXT], id="start repeated later"),
    pytest.param(
        [begin_call(0), begin_call(1, "b"), give('{"comm'), give('{"n":', 1), give('and":"ls"}'), give("1}", 1), stop(), stop(1)],
        [bash(), bash("b", n=1)],
        id="interleaved calls",
    ),
    pytest.param(
        [begin_call(0), begin_text(1), give('{"comm'), say("Hel", 1), give('and":"ls"}'), stop(0), say("lo", 1), stop(1)],
        [bash(), TEXT],
        id="text within a call",
    ),
    pytest.param(
        [begin_text(0), begin_call(1), say("Hel"), give('{"command":"ls"}', 1), say("lo"), stop(0), stop(1)],
        [bash(), TEXT],
        id="a call within text",
    ),
    pytest.param([begin_call(0), begin_text(1), say("Hello", 1), stop(1)], [bash() | {"input": {}}, TEXT], id="a call without input or stop"),
    pytest.param([begin_call(input=LS), stop()], [bash()], id="input in the start"),
    pytest.param([begin_call(input='{"command":"ls"}'), stop()], [bash()], id="input in the start as a string"),
    pytest.param([begin_call(input=LS)], [bash()], id="input in the start, no stop"),
    pytest.param([begin_call(input=LS), give(""), stop()], [bash()], id="input in the start and an empty delta"),
    pytest.param([begin_call(input=LS), give('{"command":"ls"}'), stop()], [bash()], id="input in both"),
    pytest.param([begin_call(input=""), give('{"command":"ls"}'), stop()], [bash()], id="an empty string in the start"),
    pytest.param([begin_call(id=None), give('{"command":"ls"}'), stop()], [bash("toolu_2")], id="no id"),
    pytest.param([begin_call(), give("{}"), stop(), begin_call(1), give("{}", 1), stop(1)], [bash() | {"input": {}}, bash("toolu_2") | {"input": {}}], id="one id twice"),
    pytest.param([begin_thought(), think("Hm"), sign(), stop(), begin_text(1), say("Hello", 1), stop(1)], [THOUGHT, TEXT], id="thinking"),
    pytest.param([begin(0, {"type": "thinking"}), think("Hm"), sign(), stop()], [THOUGHT], id="thinking without its fields"),
    pytest.param([begin_text(), think("Hm"), say("Hello"), stop()], [THOUGHT | {"signature": ""}, TEXT], id="thinking in a text block"),
    pytest.param([begin_thought(), think("Hm"), sign(), think("Hm"), sign(), stop()], [THOUGHT, THOUGHT], id="thinking after a signature"),
    pytest.param([*HELLO, sign(), give("{}"), say(""), stop(7)], [TEXT], id="deltas that belong to nothing"),
    pytest.param([begin_text(), say(None), say(7), say("Hello"), add(0, "new_delta", x=1), stop()], [TEXT], id="deltas of other types"),
    pytest.param([begin(0, 7), begin(1, {}), begin(2, {"type": "tool_use"}), *HELLO], [TEXT], id="starts of nothing"),
    pytest.param([begin(0, {"type": "text"}), say("Hello"), stop()], [TEXT], id="no text in the start"),
    pytest.param([begin(0, {"type": "new", "x": 1}), stop()], [{"type": "new", "x": 1}], id="a new type of block"),
    pytest.param([begin(0, {"type": "redacted_thinking", "data": "x"})], [{"type": "redacted_thinking", "data": "x"}], id="redacted"),
    pytest.param([b": hm\n\n", PING, b"event: ping\n\n", *HELLO, PING], [TEXT], id="pings"),
    pytest.param([begin_text(), b"data: {\n\n", b"data: <html>\n\n", say("Hello"), b"data:\n\n", b"data: 7\n\n", stop()], [TEXT], id="broken"),
    pytest.param([start(), *HELLO], [TEXT], id="two starts of the message"),
    pytest.param([{"type": "new", "x": 1}, *HELLO], [TEXT], id="a new type of event"),
    pytest.param([], [{"type": "text", "text": requests.EMPTY}], id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize(("events", "content"), CONTENTS)
def test_content(events: list[Any], content: list[Any], names: bool) -> None:
    message = folded(encoded(start(), *events, *END, names=names))
    assert message["content"] == content
    calls = any(block["type"] == "tool_use" for block in content)
    assert message["stop_reason"] == ("tool_use" if calls else "end_turn")
    assert (message["id"], message["model"]) == ("msg_1", "glm-5")
    assert message["usage"] == {"input_tokens": 3, "output_tokens": 5}


@pytest.mark.parametrize(("events", "content"), CONTENTS)
def test_events_that_only_their_name_identifies(events: list[Any], content: list[Any]) -> None:
    def untyped(event: Any) -> bytes:
        if isinstance(event, bytes):
            return event
        fields = {key: value for key, value in event.items() if key != "type"}
        return sse.encode(event["type"], json.dumps(fields).encode())

    assert folded(b"".join(map(untyped, [start(), *events, *END])))["content"] == content


def test_a_delta_of_a_block_that_waited_and_is_closed() -> None:
    """It is like the last one that waited, which belonged to a block that is over by now."""
    waiting = [begin_call(2), say("Hel", 1)]
    after = folded(encoded(start(), *waiting, *END, say("lo", 1)))
    assert after["content"] == [bash() | {"input": {}}, TEXT | {"text": "Hel"}]


@pytest.mark.parametrize("name", ["name", "self", "counted", "fields", "index"])
def test_an_ending_with_fields_of_any_name(name: str) -> None:
    events = [start(), *HELLO, ending() | {name: 1}, OVER]
    assert folded(encoded(*events))["stop_reason"] == "end_turn"


def test_deltas_without_their_text() -> None:
    """Clients would append what is not there."""
    events = [begin_text(), say("Hel"), add(0, "text_delta"), say("lo"), stop()]
    events += [begin_call(1), add(1, "input_json_delta"), give('{"command":"ls"}', 1), stop(1)]
    assert folded(encoded(start(), *events, *END))["content"] == [TEXT, bash()]


def test_a_delta_that_moves_with_a_name_that_is_no_utf_8() -> None:
    wire = b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello"},"\xff":1}\n\n'
    assert folded(encoded(start(), begin_text(7), wire, *END))["content"] == [TEXT]


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\xffb"}}',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"},"\xff":1}',
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"},"":{"\xff":1}}',
        b': \xff\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}',
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_what_is_no_utf_8_is_not_passed_on(line: bytes, times: int) -> None:
    """From the second delta on, nobody decodes them."""
    wire = b"event: content_block_delta\n%b\n\n" % line
    wire = encoded(start(), begin_text(), *[wire] * times, stop(), *END)
    text = "a\ufffdb" if b"a\xff" in line else "a"
    assert folded(wire)["content"] == [{"type": "text", "text": text * times}]
    assert b"".join(pieces(wire, len(wire))).decode()


def test_an_ending_with_a_name_that_is_no_utf_8() -> None:
    wire = b'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"},"\xff":1}\n\n'
    assert folded(encoded(start(), *HELLO, wire, OVER))["stop_reason"] == "end_turn"


@pytest.mark.parametrize(("events", "content"), CONTENTS)
def test_without_message_start(events: list[Any], content: list[Any]) -> None:
    message = folded(encoded(*events, *END))
    assert message["content"] == content
    assert isinstance(message["model"], str)


@pytest.mark.parametrize(
    ("wire", "stop_reason", "used"),
    [
        pytest.param([*END], "end_turn", (3, 5), id="well"),
        pytest.param([*END, OVER, *HELLO, ending("refusal"), PING], "end_turn", (3, 5), id="more"),
        pytest.param([ending()], "end_turn", (3, 5), id="no message_stop"),
        pytest.param([OVER], "end_turn", (3, 1), id="no message_delta"),
        pytest.param([b"data: [DONE]\n\n"], "end_turn", (3, 1), id="as Chat Completions ends"),
        pytest.param([*END, b"data: [DONE]\n\n"], "end_turn", (3, 5), id="twice"),
        pytest.param([ending("length"), OVER], "max_tokens", (3, 5), id="length"),
        pytest.param([ending("eos"), OVER], "end_turn", (3, 5), id="a word of its own"),
        pytest.param([ending(None), OVER], "end_turn", (3, 5), id="no reason"),
        pytest.param([ending("max_tokens"), ending(None), OVER], "max_tokens", (3, 5), id="in two"),
        pytest.param([{"type": "message_delta"}, OVER], "end_turn", (3, 1), id="empty"),
        pytest.param(
            [ending() | {"usage": None, "delta": 7}, OVER], "end_turn", (3, 1), id="no usage"
        ),
        pytest.param(
            [ending(output_tokens="5", input_tokens=4), OVER], "end_turn", (4, 1), id="other types"
        ),
    ],
)
def test_endings(wire: list[Any], stop_reason: str, used: tuple[int, int]) -> None:
    message = folded(encoded(start(), *HELLO, *wire))
    assert message["content"] == [TEXT]
    assert message["stop_reason"] == stop_reason
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == used


@pytest.mark.parametrize(
    "fields",
    [{}, {"usage": None}, {"usage": {"input_tokens": "3"}}, {"id": 7, "model": {}, "role": None}],
)
def test_a_start_that_lacks_something(fields: dict[str, Any]) -> None:
    for wire in (encoded(start(**fields)), encoded({"type": "message_start", "message": fields})):
        assert folded(wire + encoded(*HELLO, *END))["content"] == [TEXT]


def test_what_is_as_it_should_be_passes_unchanged() -> None:
    """But for the ids of the message, and its ending, which is put together."""
    events = [*HELLO, begin_call(1), give('{"command":"l\\ud83d', 1), give('\\ude00"}', 1), stop(1)]
    for newline in (b"\n", b"\r\n"):
        body = encoded(*events).replace(b"\n", newline)
        wire = encoded(start()) + body + encoded(*END)
        assert body in b"".join(pieces(wire, len(wire)))


def test_a_beginning_has_nothing_of_the_end() -> None:
    begun = begin_text() | {"stop_reason": None}
    for body in pieces(encoded(start(), begun, *HELLO[1:], *END), 1000):
        assert b'"stop_reason":null,"index"' not in body
        for event in sse.Decoder().feed(body):
            if event.name == "content_block_start":
                assert json.loads(event.data) == begin_text()


def test_a_delta_that_moves_keeps_its_bytes() -> None:
    """The text may end with half an emoji, whose other half is in the next event."""
    deltas = [rb'"a\ud83d"', rb'"\ude00 \"index\": 7"', b'"b"']
    form = b'data: {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": %b}}\n\n'
    wire = encoded(start(), begin_text(7)) + b"".join(form % text for text in deltas)
    out = b"".join(pieces(wire, len(wire)))
    for text in deltas:
        assert b"event: content_block_delta\n" + form.replace(b"7", b"0", 1) % text in out


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}', "overloaded_error"),
        (b'{"error":{"code":429,"message":"Slow"}}', "rate_limit_error"),
        (b'{"code":500,"msg":"Oh"}', "api_error"),
        (b'{"success":false,"message":"Oh"}', "api_error"),
        (b'{"base_resp":{"status_code":1008,"status_msg":"Oh"}}', "api_error"),
        (b'{"detail":"Oh"}', "api_error"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["", "error"])
@pytest.mark.parametrize("before", [(), (start(),), (start(), PING), (start(), *HELLO[:2])])
def test_an_error(error: bytes, expected: str, name: str, before: Any) -> None:
    stream = repairs.Stream(test_answers.context())
    out = [stream.feed(event) for event in sse.Decoder().feed(encoded(*before))]
    out.append(stream.feed(sse.Event(name, error, sse.encode(name, error))))
    assert (stream.error, stream.complete) == (expected, True)
    assert stream.begun == (len(before) > 2)
    assert strict_client.check(out)["error"]["message"]
    assert stream.feed(sse.Event("", b"{}", b"")) == stream.end() == b""


@pytest.mark.parametrize("before", [(), HELLO[:2]])
@pytest.mark.parametrize("reason", ["network_error", "error", "insufficient_system_resource"])
def test_an_answer_that_its_provider_could_not_complete(reason: str, before: Any) -> None:
    stream = repairs.Stream(test_answers.context())
    wire = encoded(start(), *before, ending(reason))
    out = [stream.feed(event) for event in sse.Decoder().feed(wire)]
    error = strict_client.check(out)["error"]
    assert error == {"type": "api_error", "message": f"the provider ended its answer with {reason}"}
    assert stream.begun is bool(before)


@pytest.mark.parametrize(
    ("events", "started", "begun"),
    [
        ([], False, False),
        ([PING, b": hm\n\n"], False, False),
        ([start()], True, False),
        ([start(), PING], True, False),
        ([start(), ending()], True, False),
        ([start(), begin_text()], True, False),  # some begin so whether or not they can answer
        ([start(), begin_text(), say("")], True, False),
        ([start(), begin_text(), say("Hi")], True, True),
        ([start(), say("Hi")], True, True),
        ([say("Hi")], True, True),
        ([start(), *END], True, True),
    ],
)
def test_when_it_begins(events: list[Any], started: bool, begun: bool) -> None:
    stream = repairs.Stream(test_answers.context())
    for event in sse.Decoder().feed(encoded(*events)):
        stream.feed(event)
    assert (stream.started, stream.begun) == (started, begun)


@pytest.mark.parametrize(
    ("events", "is_error"),
    [((), True), (HELLO[:2], True), (HELLO, True), ((*HELLO, ending()), False)],
)
def test_broken(events: Any, is_error: bool) -> None:
    stream = repairs.Stream(test_answers.context())
    out = [stream.feed(event) for event in sse.Decoder().feed(encoded(start(), *events))]
    out.append(stream.broken("reset"))
    assert stream.complete
    message = strict_client.check(out)
    assert ("error" in message) == bool(stream.error) == is_error
    if is_error:
        assert message["error"]["message"] == "The stream was interrupted: reset"


@pytest.mark.parametrize(
    ("editor", "content"),
    [
        (thinking_answer.Tagger("zai"), [THOUGHT | {"signature": "route:zai:s"}, TEXT, bash()]),
        (thinking_answer.Stripper(), [TEXT, bash()]),
        (None, [THOUGHT, TEXT, bash()]),
    ],
)
def test_thinking_is_edited_too(
    editor: thinking_answer.Editor | None, content: list[dict[str, Any]]
) -> None:
    events = [
        *(begin_thought(4), think("H", 4), think("m", 4), sign("s", 4), stop(4)),
        *(begin_text(6), say("Hel", 6), say("lo", 6), stop(6)),
        *(begin_call(8), give('{"comm', 8), give('and":"ls"}', 8), stop(8)),
    ]
    wire = encoded(start(), *events, *END)
    assert strict_client.fold(pieces(wire, len(wire), editor))["content"] == content


def test_a_stream_that_is_counted() -> None:
    stream = repairs.Stream(test_answers.context())
    for event in sse.Decoder().feed(encoded(start(), begin_text(), say("x" * 40), say("y" * 40))):
        stream.feed(event)
    assert (stream.meter.usage.input, stream.meter.output) == (3, 20)
    for event in sse.Decoder().feed(encoded(*END)):
        stream.feed(event)
    assert (stream.meter.output, stream.meter.is_final) == (5, True)


def test_what_waits_for_a_call_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "MAX_QUEUE", 200)
    events = [begin_call(), give("{"), begin_text(1), *[say("x", 1)] * 5]
    stream = repairs.Stream(test_answers.context())
    out = [stream.feed(event) for event in sse.Decoder().feed(encoded(start(), *events))]
    assert b"text_delta" in b"".join(out)
    assert not stream.complete


@pytest.mark.parametrize(
    ("data", "is_whole"), [(b"{}", True), (b'{"a":', False), (b"", False), (b"[DONE]", True)]
)
def test_is_whole(data: bytes, is_whole: bool) -> None:
    stream = repairs.Stream(test_answers.context())
    assert stream.is_whole(sse.Event("", data, data)) is is_whole


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_line_feeds_in_an_input_are_escaped(size: int) -> None:
    spelled = '{"command": "a\nb\\nc \\\\n", "x": [\n1]}'
    pieces = [spelled[at : at + size] for at in range(0, len(spelled), size)]
    wire = encoded(
        start(),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "B", "input": {}}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}} for piece in pieces),
        {"type": "content_block_stop", "index": 0},
        *END,
    )  # fmt: skip
    stream = repairs.Stream(test_answers.context())
    (block,) = strict_client.fold(map(stream.feed, sse.Decoder().feed(wire)))["content"]
    assert block["input"] == {"command": "a\nb\nc \\n", "x": [1]}
