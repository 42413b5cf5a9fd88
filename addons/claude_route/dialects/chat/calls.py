"""The tool calls of a stream, put together from their pieces."""

from __future__ import annotations

from typing import Any
from typing import Literal

from claude_route.dialects.chat import answers
from claude_route.dialects.chat import completions

EMPTY = "{}"
"""What some say first of a call whose arguments come after it."""


class Call:
    """A tool call as far as it has come."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.extra_content: Any = None
        self.arguments: list[str] = []
        self.state: Literal["new", "waiting", "held", "live", "closed"] = "new"
        """waiting: for its block; held: its block is open, but its arguments don't look like an object,
        or are an empty one so far, so they go out at its end, put right; live: they go out as they come."""

    def wait(self) -> None:
        """It stands in line for its block."""
        self.state = "waiting"

    def open(self) -> str:
        """Its block opens: what of its arguments goes out at once."""
        self.state = "held"
        return self._enlivened()

    def grown(self, text: str) -> str:
        """What goes out now that these arguments have been added."""
        if self.state == "held":
            return self._enlivened()
        return text if self.state == "live" else ""

    def close(self) -> str:
        """Its block closes: what of its arguments has not gone out yet."""
        left = answers.arguments(self.text()).decode() if self.state == "held" else ""
        self.state = "closed"
        return left

    def _enlivened(self) -> str:
        # As they came: the next piece may begin with the other half of what this ends with.
        text = "".join(self.arguments)
        if not text.lstrip().startswith("{") or text == EMPTY:
            return ""
        self.state = "live"
        return text

    def text(self) -> str:
        """All of its arguments so far."""
        return completions.joined("".join(self.arguments))

    def is_complete(self) -> bool:
        """Whether all its arguments are there: nothing can come after an object."""
        last = self.arguments[-1] if self.arguments else ""
        return last.rstrip().endswith("}") and answers.is_object(self.text())

    def can_start(self) -> bool:
        """Whether its block can; an id may be late, or never come."""
        return bool(self.name) and (bool(self.id) or self.is_complete())


class Calls:
    """The calls so far."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._by_index: dict[int, Call] = {}

    def add(self, piece: completions.ToolCall) -> tuple[Call, str]:
        """The call that a piece belongs to, and what the piece adds to its arguments."""
        call = self.find(piece)
        call.id = call.id or piece.id or ""
        call.extra_content = call.extra_content or piece.extra_content
        if piece.name and call.name and call.is_complete():
            # All of it is said once more.
            return call, ""
        call.name = call.name or piece.name
        text = piece.arguments()
        if call.arguments == [EMPTY] and text.strip():
            call.arguments.clear()
        if text:
            call.arguments.append(text)
        return call, text

    def find(self, piece: completions.ToolCall) -> Call:
        """The call that a piece belongs to.

        `index` identifies it, but some providers omit it, and Gemini has sent 0 for each of several
        complete calls.
        """
        if piece.index is not None:
            found = self._by_index.get(piece.index)
        elif piece.id:
            found = next((call for call in self.all if call.id == piece.id), None)
        else:
            found = self.all[-1] if self.all else None
        if found and piece.name and found.name and _begins_another(piece, found):
            found = None
        if found is None:
            found = Call()
            self.all.append(found)
            if piece.index is not None:
                self._by_index[piece.index] = found
        return found


def _begins_another(piece: completions.ToolCall, call: Call) -> bool:
    """Whether a piece with a name begins a call of its own, rather than say a call's name again."""
    if piece.name != call.name:
        return True
    if not call.is_complete():
        return False
    if piece.id:
        return bool(call.id) and piece.id != call.id
    return bool(piece.arguments().strip())
