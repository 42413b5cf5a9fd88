"""Reasoning that a provider writes into its text: `<think>A plan</think>The answer`.

MiniMax does, and many servers of local models without a parser for their reasoning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from typing import NamedTuple

_TAGS = {"<think>": "</think>", "<thinking>": "</thinking>"}


_LONGEST_BLANK = 4096
"""Characters of white space before a tag. They are looked at again with each piece that comes."""


class Piece(NamedTuple):
    kind: Literal["thinking", "text"]
    text: str


class Splitter:
    """Splits an answer's text, as it arrives. Only a tag with which the text begins counts: a later one
    is what the model writes about."""

    def __init__(self) -> None:
        self._state: Literal["beginning", "thinking", "gap", "text"] = "beginning"
        self._held = ""
        """What may be a part of a tag, or is the white space around it."""
        self._end = ""
        """The tag that ends the reasoning."""

    def feed(self, text: str) -> Iterator[Piece]:
        """The pieces that are certain now; none is empty."""
        if self._state != "text" and self._held:
            text, self._held = self._held + text, ""
        if self._state == "beginning":
            text = self._begun(text)
        if self._state == "thinking":
            thought, text = self._thought(text)
            if thought:
                yield Piece("thinking", thought)
        if self._state == "gap":
            text = text.lstrip()
            if text:
                self._state = "text"
        if text and self._state == "text":
            yield Piece("text", text)

    def end(self) -> Iterator[Piece]:
        """What was held back. From here on, all is text."""
        state, held = self._state, self._held
        self._state, self._held = "text", ""
        if held:
            yield Piece("thinking" if state == "thinking" else "text", held)

    def _begun(self, text: str) -> str:
        """What follows the tag, if the text begins with one."""
        beginning = text.lstrip()
        for tag, end in _TAGS.items():
            if beginning.startswith(tag):
                self._state, self._end = "thinking", end
                return beginning.removeprefix(tag)
        if len(text) <= _LONGEST_BLANK and any(tag.startswith(beginning) for tag in _TAGS):
            self._held = text
            return ""
        self._state = "text"
        return text

    def _thought(self, text: str) -> tuple[str, str]:
        """The reasoning in a text, and what follows it."""
        thought, found, rest = text.partition(self._end)
        if found:
            self._state = "gap"
            return thought, rest
        for size in range(min(len(self._end) - 1, len(text)), 0, -1):
            if self._end.startswith(text[-size:]):
                self._held = text[-size:]
                return text[:-size], ""
        return text, ""


def joined(thinking: str, text: str) -> str:
    """The text as its provider wrote it, but for the white space between."""
    return f"<think>{thinking}</think>\n\n{text}"
