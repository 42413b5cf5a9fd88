from __future__ import annotations

import json

import pytest

from claude_route.dialects import emitter
from claude_route.dialects import usage
from claude_route.wire import sse
from tests import strict_client

MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
NONE = {"input_tokens": 0, "output_tokens": 0}
END = {"stop_reason": "end_turn", "stop_sequence": None}


def started() -> emitter.Emitter:
    made = emitter.Emitter(usage.Meter())
    made.start(MESSAGE | {"usage": NONE})
    return made


def test_a_message() -> None:
    made = started()
    made.begin({"type": "thinking", "thinking": "", "signature": ""})
    made.send("Hm")
    made.settle()
    made.sign("sig")
    made.begin({"type": "text", "text": ""})
    made.send("Hel")
    made.send("")
    made.send("lo")
    made.stop()
    made.stop()
    made.begin({"type": "tool_use", "id": "a", "name": "Bash", "input": {}})
    made.send('{"command":"ls"}')
    made.end(END, NONE)
    message = strict_client.fold([made.flush()])
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "a", "name": "Bash", "input": {"command": "ls"}},
    ]
    assert made.is_empty
    assert made.flush() == b""


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["a\ud83d"], "a�"),
        (["\ud83d", "x"], "�x"),
        (["\ude00"], "�"),
    ],
)
def test_halves_of_a_surrogate_pair(pieces: list[str], text: str) -> None:
    made = started()
    made.begin({"type": "text", "text": ""})
    for piece in pieces:
        made.send(piece)
    made.end(END, NONE)
    assert strict_client.fold([made.flush()])["content"] == [{"type": "text", "text": text}]


def test_events_that_exist_already_stay_as_they_are() -> None:
    raw = [
        b"event: content_block_%b\ndata: {}\n\n" % name for name in (b"start", b"delta", b"stop")
    ]
    made = emitter.Emitter(usage.Meter())
    made.begin({"type": "text", "text": ""}, raw[0])
    made.pass_on(raw[1])
    made.stop(raw[2])
    assert made.flush() == b"".join(raw)
    assert (made.index, made.is_open) == (0, False)


def test_what_is_written_is_counted() -> None:
    meter = usage.Meter()
    made = emitter.Emitter(meter)
    made.begin({"type": "text", "text": ""})
    made.send("four")
    made.sign("sig")
    assert meter.written == 7


def test_an_error() -> None:
    (event,) = sse.Decoder().feed(emitter.error("api_error", "No"))
    assert event.name == "error"
    assert json.loads(event.data)["error"] == {"type": "api_error", "message": "No"}


@pytest.mark.parametrize(
    ("text", "joined"), [("a", "a"), ("é", "é"), ("\ud83d\ude00", "😀"), ("a\ud83d", "a�")]
)
def test_joined(text: str, joined: str) -> None:
    assert emitter.joined(text) == joined
