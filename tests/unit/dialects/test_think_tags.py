from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import think_tags

TEXTS = [
    ("<think>A plan</think>\n\nHello", "A plan", "Hello"),
    ("\n<think>A plan</think>Hello", "A plan", "Hello"),
    ("<thinking>A plan</thinking> Hello", "A plan", "Hello"),
    ("<think></think>\n\nHello", "", "Hello"),
    ("<think>A </thin k> plan</think>Hello", "A </thin k> plan", "Hello"),
    ("<think>A <b> plan</think>Hello <think>again</think>", "A <b> plan", "Hello <think>again</think>"),
    ("<think>cut off", "cut off", ""),
    ("<think>cut off</thi", "cut off</thi", ""),
    ("<think>A plan</think>", "A plan", ""),
    # What isn't the model's reasoning.
    ("Hello <think>A plan</think>", "", "Hello <think>A plan</think>"),
    ("<thinker>Hello", "", "<thinker>Hello"),
    ("<thi", "", "<thi"),
    ("A plan</think>Hello", "", "A plan</think>Hello"),
    (" Hello", "", " Hello"),
    ("", "", ""),
]  # fmt: skip


def split(*parts: str) -> tuple[str, str]:
    splitter = think_tags.Splitter()
    pieces = [piece for part in parts for piece in splitter.feed(part)] + [*splitter.end()]
    assert all(piece.text for piece in pieces)
    kinds = [piece.kind for piece in pieces]
    assert kinds == sorted(kinds, reverse=True), "the thinking comes first"
    return (
        "".join(piece.text for piece in pieces if piece.kind == "thinking"),
        "".join(piece.text for piece in pieces if piece.kind == "text"),
    )


@pytest.mark.parametrize(("text", "thinking", "rest"), TEXTS)
def test_split_at_every_cut(text: str, thinking: str, rest: str) -> None:
    for cut in range(len(text) + 1):
        assert split(text[:cut], text[cut:]) == (thinking, rest)
    assert split(*text) == (thinking, rest)


@settings(max_examples=200)
@given(st.text("<>/think \nA"), st.data())
def test_pieces_make_no_difference(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*parts) == split(text)


def test_what_is_certain_is_passed_on_at_once() -> None:
    splitter = think_tags.Splitter()
    assert [*splitter.feed("<think>A")] == [("thinking", "A")]
    assert [*splitter.feed(" plan<")] == [("thinking", " plan")]
    assert [*splitter.feed("/think>\n")] == []
    assert [*splitter.feed("Hello")] == [("text", "Hello")]
    assert [*splitter.feed(" <think>")] == [("text", " <think>")]


def test_joined() -> None:
    assert split(think_tags.joined("A plan", "Hello")) == ("A plan", "Hello")
