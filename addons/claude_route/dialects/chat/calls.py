"""Assembles the tool calls of a stream from their pieces."""

from __future__ import annotations

from typing import Any
from typing import Literal

from claude_route.dialects import emitter
from claude_route.dialects import repair
from claude_route.dialects.chat import answers
from claude_route.dialects.chat import completions

EMPTY = "{}"
"""Some providers begin a call with these arguments, and send the real ones later."""


class Call:
    """A tool call, as far as it has arrived."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.extra_content: Any = None
        self.arguments: list[str] = []
        self._nesting = repair.Nesting()
        self._is_object: bool | None = None
        """Whether the arguments are an object, now that nothing can follow; None until somebody asks."""
        self._is_garbled = False
        """Whether the arguments have begun, and not as an object."""
        self.state: Literal["new", "waiting", "held", "live", "closed"] = "new"
        """waiting: for its block. held: its block is open, but its arguments so far aren't the beginning
        of an object, or are an empty one, so they are repaired and sent at its end. live: its arguments
        are sent as they arrive."""

    def wait(self) -> None:
        """The call waits for its block."""
        self.state = "waiting"

    def open(self) -> str:
        """Its block opens. Returns the arguments to send at once."""
        self.state = "held"
        return self._enlivened()

    def grown(self, text: str) -> str:
        """These arguments were added. Returns what to send now."""
        if self.state == "held":
            # White space decides nothing, and may come in a million pieces.
            return self._enlivened() if text.strip() else ""
        return text if self.state == "live" else ""

    def close(self, finish: str | None = None) -> str:
        """Its block closes. Returns the arguments that have not been sent yet."""
        rest = ""
        if self.state == "held":
            rest = answers.arguments(self.text(), finish).decode()
        elif self.state == "live" and not self._nesting.is_over:
            rest = answers.lost_end(self.text(), finish)
        self.state = "closed"
        return rest

    def add(self, text: str) -> str:
        """Add a piece of its arguments. Returns as much of it as counts: nothing follows an object."""
        if self.arguments == [EMPTY] and text.strip():
            self.arguments.clear()
            self._nesting, self._is_object = repair.Nesting(), None
        text = self._nesting.feed(text)
        if text:
            self.arguments.append(text)
        return text

    def _enlivened(self) -> str:
        if self._is_garbled:
            return ""
        # Not joined(): the next piece may begin with the second half of a surrogate pair.
        text = "".join(self.arguments)
        if not repair.BEGINNING.match(text) or text == EMPTY:
            self._is_garbled = repair.NO_BEGINNING.match(text) is not None
            return ""
        self.state = "live"
        return text

    def text(self) -> str:
        """All of its arguments so far."""
        return emitter.joined("".join(self.arguments))

    def is_complete(self) -> bool:
        """Whether its arguments are complete: nothing can follow an object."""
        if self._nesting.is_over and self._is_object is None:
            self._is_object = repair.is_object(self.text())
        return self._nesting.is_over and bool(self._is_object)

    def can_start(self) -> bool:
        """Whether its block can open. The id may arrive late, or never."""
        return bool(self.name) and (bool(self.id) or self.is_complete())


class Calls:
    """The calls so far."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._by_index: dict[int, Call] = {}
        self._by_id: dict[str, Call] = {}
        """The first call with each id."""

    def add(self, piece: completions.ToolCall) -> tuple[Call, str]:
        """Add a piece. Returns the call that it belongs to, and what it adds to the arguments."""
        call = self.find(piece)
        call.id = call.id or piece.id or ""
        self._by_id.setdefault(call.id, call)
        call.extra_content = call.extra_content or piece.extra_content
        if piece.name and call.name and call.is_complete():
            # The provider repeats the whole call.
            return call, ""
        call.name = call.name or piece.name
        return call, call.add(piece.arguments())

    def find(self, piece: completions.ToolCall) -> Call:
        """The call that a piece belongs to.

        `index` identifies it, but some providers omit it, and Gemini has sent 0 for each of several
        complete calls.
        """
        if piece.index is not None:
            call = self._by_index.get(piece.index)
        elif piece.id:
            call = self._by_id.get(piece.id)
        else:
            call = self.all[-1] if self.all else None
        if call and piece.name and call.name and _begins_another(piece, call):
            call = None
        if call is None:
            call = Call()
            self.all.append(call)
            if piece.index is not None:
                self._by_index[piece.index] = call
        return call


def _begins_another(piece: completions.ToolCall, call: Call) -> bool:
    """Whether a piece with a name begins another call, as opposed to repeating this call's name."""
    if piece.name != call.name:
        return True
    if not call.is_complete():
        return False
    if piece.id:
        return bool(call.id) and piece.id != call.id
    return bool(piece.arguments().strip())
