"""Generated requests to a Chat Completions provider, and its answers: nothing gets lost."""

from __future__ import annotations

import base64
import itertools
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.wire import sse
from simulator import strict_chat
from tests import paths
from tests import strict_client
from tests.unit import chat_streams
from tests.unit.chat_streams import DONE
from tests.unit.chat_streams import USAGE
from tests.unit.chat_streams import chunk
from tests.unit.chat_streams import streamed
from tests.unit.chat_streams import tool

DATA = sorted((paths.DATA / "chat").glob("*.sse"))


def translated(pieces: list[bytes], new_call: Any = chat_streams.call) -> list[bytes]:
    """What a client gets for a stream that arrives in pieces."""
    decoder = sse.Decoder()
    stream = new_call({}).stream()
    out = [stream.feed(each) for piece in pieces for each in decoder.feed(piece)]
    return [*out, stream.end()]


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_streamed_as_whole(path: pathlib.Path) -> None:
    """Streams as the providers' documentation shows them, at every cut."""
    wire = path.read_bytes()
    expected = chat_streams.call({}).answer(path.with_suffix(".json").read_bytes())
    assert strict_client.fold(translated([wire])) == json.loads(expected)
    whole = b"".join(translated([wire]))
    for cut in range(len(wire)):
        assert b"".join(translated([wire[:cut], wire[cut:]])) == whole, cut


# Without white space, which opens no block by itself and so may stand elsewhere in a mixed stream.
SOLID = st.text('ab{}"\\é🙂', min_size=1, max_size=12)
LOOSE = st.text(max_size=12).map(lambda text: text.encode(errors="replace").decode())
INPUT = st.dictionaries(
    st.sampled_from(["path", "é", ""]), SOLID | st.integers() | st.none(), max_size=2
)


def cut(draw: st.DrawFn, text: str, *, halves: bool = True) -> list[str]:
    """The text in pieces; with `halves`, also cut through what UTF-16 has two units for."""
    if halves:
        wide = text.encode("utf-16-le")
        units = (wide[place : place + 2] for place in range(0, len(wide), 2))
        text = "".join(unit.decode("utf-16-le", "surrogatepass") for unit in units)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)])]


@st.composite
def mixed(draw: st.DrawFn, *lanes: list[Any]) -> list[Any]:
    """A random interleaving of the lanes. Each lane keeps its order, and they begin in their order."""
    order = draw(st.permutations([n for n, lane in enumerate(lanes) for _ in lane[1:]]))
    firsts = [n for n, lane in enumerate(lanes) if lane]
    begun = 0
    out = []
    left = [iter(lane) for lane in lanes]
    for lane in order:
        while lane in firsts[begun:] or (begun < len(firsts) and draw(st.booleans())):
            out.append(next(left[firsts[begun]]))
            begun += 1
        out.append(next(left[lane]))
    return out + [next(left[lane]) for lane in firsts[begun:]]


@st.composite
def calls_and_pieces(draw: st.DrawFn) -> tuple[list[Any], list[list[Any]]]:
    """tool_calls of a whole answer, and each one's pieces in a stream."""
    calls, lanes = [], []
    ids = ["call_1", "functions.Read:0", "x-3"]
    for index, id in enumerate(ids[: draw(st.integers(0, 3))]):
        arguments = json.dumps(draw(INPUT), ensure_ascii=draw(st.booleans()))
        if arguments == "{}":
            arguments = draw(st.sampled_from(["{}", "", "null"]))
        pieces = cut(draw, arguments)
        late = draw(st.integers(0, len(pieces) - 1))
        again = draw(st.sampled_from([None, "", id]))
        names = ["Read" if n == late else None for n in range(len(pieces))]
        known = [
            id if n == draw(st.integers(0, late)) or n == late else again
            for n in range(len(pieces))
        ]
        lanes.append([tool(index, *fields) for fields in zip(known, names, pieces, strict=True)])
        calls.append(tool(None, id, "Read", arguments))
    return calls, lanes


FIELDS = st.sampled_from(["reasoning_content", "reasoning", "details"])


def detailed(text: str, **more: Any) -> dict[str, Any]:
    """OpenRouter's reasoning."""
    detail = {"type": "reasoning.text", "text": text, "index": 0, **more}
    return {"reasoning": text, "reasoning_details": [detail]}


@st.composite
def answers(draw: st.DrawFn, text: Any, *, tidy: bool) -> tuple[dict[str, Any], list[Any]]:
    """A whole message, and the chunks of a stream with the same content."""
    field, thought, answer = draw(FIELDS), draw(st.just("") | text), draw(st.just("") | text)
    tool_calls, lanes = draw(calls_and_pieces())
    thoughts = [{field: piece} for piece in cut(draw, thought, halves=tidy)]
    message: dict[str, Any] = {field: thought}
    if field == "details" and tidy:
        thoughts = [*map(detailed, cut(draw, thought)), detailed("", signature="sig+/=")]
        message = detailed(thought, signature="sig+/=")
    texts = [{"content": piece} for piece in cut(draw, answer, halves=tidy)]
    pieces = [{"tool_calls": [piece]} for piece in draw(mixed(*lanes))]
    deltas: list[dict[str, Any]]
    deltas = [*thoughts, *texts, *pieces] if tidy else draw(mixed(thoughts, texts, pieces))
    for place in range(len(deltas) - 1, 0, -1):
        one, next = deltas[place - 1 : place + 1]
        if set(one) == set(next) == {"tool_calls"} and draw(st.booleans()):
            both = {"tool_calls": one["tool_calls"] + next["tool_calls"]}
            deltas[place - 1 : place + 1] = [both]
    noise: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [{}, {"content": ""}, {"tool_calls": []}, {"content": None, "role": "assistant"}]
    )
    for _ in range(draw(st.integers(0, 2))):
        deltas.insert(draw(st.integers(0, len(deltas))), draw(noise))
    message |= {"content": answer or draw(st.sampled_from(["", None])), "tool_calls": tool_calls}
    return message, [chunk(**delta) for delta in deltas]


@settings(max_examples=80)
@given(answers(LOOSE, tidy=True), st.sampled_from(["tag", "strip", "keep"]), st.booleans())
def test_fold_is_whole(answer: Any, responses: str, done: bool) -> None:
    message, chunks = answer
    to = chat_streams.target(responses=responses)
    end = [chunk("stop"), USAGE, DONE][: 3 if done else 2]
    whole = chat_streams.answered(message, to, usage=USAGE["usage"])
    assert streamed(*chunks, *end, to=to, done=False) == whole


@settings(max_examples=80)
@given(answers(SOLID, tidy=False))
def test_nothing_is_lost_in_a_mix(answer: Any) -> None:
    message, chunks = answer
    whole = chat_streams.answered(message)["content"]
    assert sorted_out(streamed(*chunks, chunk("stop"))["content"]) == sorted_out(whole)


def sorted_out(content: list[dict[str, Any]]) -> tuple[str, str, list[Any]]:
    return (
        "".join(block.get("thinking", "") for block in content),
        "".join(block.get("text", "") for block in content),
        [block for block in content if block["type"] == "tool_use"],
    )


@settings(max_examples=40)
@given(answers(LOOSE, tidy=True), st.data())
def test_cuts(answer: Any, data: st.DataObject) -> None:
    chunks = [*answer[1], chunk("stop"), USAGE, DONE]
    wire = b"".join(chat_streams.event(each).raw for each in chunks)
    places = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=9)))
    pieces = [wire[a:b] for a, b in itertools.pairwise([0, *places, len(wire)])]
    assert b"".join(translated(pieces)) == b"".join(translated([wire]))


class Words:
    """Texts none of which contains another, so that each can be found."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.drawn: list[str] = []

    def __call__(self) -> str:
        self.drawn.append(f"<{len(self.drawn)}:{self.draw(LOOSE)}>")
        return self.drawn[-1]

    def text(self) -> dict[str, Any]:
        return {"type": "text", "text": self()}

    def image(self) -> dict[str, Any]:
        data = base64.b64encode(self().encode()).decode()
        self.drawn[-1] = data
        return {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": data},
        }

    def document(self) -> dict[str, Any]:
        source = {"type": "text", "media_type": "text/plain", "data": self()}
        return {"type": "document", "title": self(), "source": source}

    def result(self, id: str) -> dict[str, Any]:
        kinds = st.lists(st.sampled_from([self.text, self.image, self.document]), max_size=2)
        content = self() if self.draw(st.booleans()) else [kind() for kind in self.draw(kinds)]
        error = self.draw(st.booleans())
        return {"type": "tool_result", "tool_use_id": id, "content": content, "is_error": error}

    def thinking(self) -> dict[str, Any]:
        return {"type": "thinking", "thinking": self(), "signature": "route:acme:"}

    def use(self, id: str) -> dict[str, Any]:
        name = self.draw(st.sampled_from(["Read", "mcp__a.b__c", "x" * 80]))
        return {"type": "tool_use", "id": id, "name": name, "input": {self(): [self(), 1, None]}}


@st.composite
def conversations(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """A request in any order that Anthropic may accept or not, and all the words in it."""
    words = Words(draw)
    ids = st.sampled_from(["toolu_1", "toolu_2", "route_ZnVuY3Rpb25zLlJlYWQ6MA"])
    messages = []
    for role in draw(
        st.lists(st.sampled_from(["user", "assistant", "user", "assistant", "system"]), max_size=7)
    ):
        makers: list[Any] = {
            "user": [words.text, words.image, words.document, lambda: words.result(draw(ids))],
            "assistant": [words.text, words.thinking, lambda: words.use(draw(ids))],
            "system": [words.text],
        }[role]
        parts = draw(st.lists(st.sampled_from(makers), max_size=3))
        content = [make() for make in parts] if parts else words()
        messages.append({"role": role, "content": content})
    tool = {"name": "Read", "description": words(), "input_schema": {"type": "object"}}
    body = {"max_tokens": 9, "stream": True, "messages": messages, "tools": [tool]}
    return body | {"system": [words.text()]}, words.drawn


def texts(value: Any) -> list[str]:
    """All strings in a request, including those in the arguments of calls."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    if not isinstance(value, dict):
        return []
    inner = json.loads(value["arguments"]) if "arguments" in value else {}
    return [*value, *texts(list(value.values())), *inner, *texts(list(inner.values()))]


@settings(max_examples=60)
@given(conversations(), st.sampled_from(["some-model", "gpt-5", "mistral-large"]))
def test_nothing_is_lost_and_nothing_refused(conversation: Any, model: str) -> None:
    body, drawn = conversation
    sent = chat_streams.sent(body, chat_streams.target(model))
    everything = "\n".join(texts(sent))
    assert [word for word in drawn if word not in everything] == []
    assert list(strict_chat.problems(sent, reasoning_required=False)) == []
