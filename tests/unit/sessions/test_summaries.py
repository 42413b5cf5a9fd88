from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from claude_route.dialects import usage
from claude_route.sessions import search
from claude_route.sessions import summaries
from claude_route.sessions import turns
from tests.unit import flows
from tests.unit.sessions.examples import body
from tests.unit.sessions.examples import text
from tests.unit.sessions.examples import user


def make(request: bytes = b"", answer: bytes = b"", **fields: Any) -> turns.Turn:
    return summaries.make(
        summaries.Wire(flow="f1", at=1000.0, request=request, answer=answer, **fields)
    )


def test_a_streamed_answer() -> None:
    made = make(body("hi", tools=[{"name": "Bash"}]), flows.STREAM, is_stream=True, session="s1")
    assert (made.kind, made.prompt, made.message) == ("main", "hi", "msg_1")
    assert made.text.startswith("Let me")
    assert [call.name for call in made.calls] == ["Bash"]
    assert made.used is not None
    assert made.used.cache_read == 100
    assert "Let me" in search.unpack(made.words)


def test_what_was_counted_on_the_way_comes_first() -> None:
    counted = usage.Usage(input=1, output=2)
    assert make(b"", flows.STREAM, is_stream=True, used=counted).used == counted


def test_the_servers_diagnosis() -> None:
    for reason in ("tools_changed", {"type": "tools_changed"}):
        message = {**flows.MESSAGE, "diagnostics": {"cache_miss_reason": reason}}
        whole = msgspec.json.encode({**message, "content": [text("x")]})
        assert make(answer=whole).cache_miss_reason == "tools_changed"
        wire = flows.wire({"type": "message_start", "message": message})
        assert make(answer=wire, is_stream=True).cache_miss_reason == "tools_changed"


def test_no_word_is_long_or_a_secret() -> None:
    """Neither of the client's nor of the provider's."""
    for odd in ("a SECRET", "x" * 1_000_000, "\ud800"):
        message = {**flows.MESSAGE, "id": odd, "stop_reason": odd, "content": []}
        message["diagnostics"] = {"cache_miss_reason": odd}
        answer = json.dumps(message).encode()
        wire = summaries.Wire(flow="f1", at=1000.0, request=b"", answer=answer, model=odd)
        made = summaries.make(wire, hide=lambda text: text.replace(b"SECRET", b"[redacted]"))
        for word in (made.model, made.stop, made.message, made.cache_miss_reason):
            assert len(word) <= turns.MAX_TEXT
            assert "SECRET" not in word
            assert word.encode()


@pytest.mark.parametrize(
    ("request_body", "answer", "is_stream"),
    [
        (b"", b"", False),
        (b"nothing", b"nothing", False),
        (b"[]", b"[]", False),
        (b"{}", b"{}", False),
        (body("hi"), b"<html>", False),
        (body("hi"), b"data: nothing\n\n", True),
        (body("hi"), flows.STREAM[:100], True),
    ],
)
def test_bodies_that_cannot_be_read(request_body: bytes, answer: bytes, is_stream: bool) -> None:
    made = make(request_body, answer, is_stream=is_stream, model="m", error="502")
    assert (made.flow, made.model, made.error, made.text) == ("f1", "m", "502", "")


def test_the_words_of_an_agents_turn() -> None:
    reminder = "<system-reminder>Use tabs.</system-reminder>"
    made = make(body(user(text(reminder), text("find it"))), agent="a1")
    assert made.kind == "subagent"
    assert search.unpack(made.words) == "find it"


def test_a_count_has_no_answer() -> None:
    made = make(body("hi"), b'{"input_tokens": 7}', counts=True, used=usage.Usage(input=7))
    assert (made.kind, made.text, made.tokens.input) == ("count", "", 7)


def test_a_compaction_is_told_as_such() -> None:
    asked = body(
        "fix it",
        {"role": "assistant", "content": []},
        "Your task is to create a detailed summary of it",
    )
    turn = summaries.make(summaries.Wire(flow="f", at=1.0, request=asked))
    assert (turn.kind, turn.prompt) == ("compaction", "compaction")


def test_a_command_is_the_prompt_where_there_are_no_words() -> None:
    command = "<command-name>/clear</command-name><command-args></command-args>"
    output = "<local-command-stdout>done</local-command-stdout>"
    for more, prompt in (([], "/clear"), ([text("hello")], "hello")):
        texts = [text(command), text(output), *more]
        asked = body(user(*texts))
        assert summaries.make(summaries.Wire(flow="f", at=1.0, request=asked)).prompt == prompt
