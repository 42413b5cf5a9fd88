"""The input of a tool call in a stream of a Messages provider, and its repair."""

from __future__ import annotations

from typing import Any
from typing import Literal

import msgspec

from claude_route.dialects import repair
from claude_route.wire import rawjson


class Input:
    """The input of the open call, as far as it has arrived.

    Deltas pass on unchanged as long as they spell an object. If they don't begin one, they are held until
    all have arrived.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.deltas: list[bytes] = []
        """The data of the events that added to it."""
        self.is_flowing = False
        """Whether a delta without a brace can be passed on, so that it needs only be kept."""
        self._given = given
        """What the block began with, where clients ignore it."""
        self._state: Literal["beginning", "live", "held"] = "beginning"
        self._unsent = ""
        """The beginning, as long as it isn't clear what it is."""
        self._nesting = repair.Nesting()
        self._followed = 0
        """How many deltas `_nesting` has followed."""

    def add(self, data: bytes) -> str | None:
        """Add a delta. Returns the JSON to send in its place; None if the delta can be passed on."""
        self.deltas.append(data)
        instead = self._add(_partial_json(data))
        self.is_flowing = self._state == "live" and not self._nesting.is_over
        return instead

    def _add(self, text: str) -> str | None:
        if self._state == "beginning" and self._unsent and not text.strip():
            return ""  # it may come in a million pieces, and means nothing
        if self._state == "beginning" and (self._unsent or text.strip()):
            begun = self._unsent + text
            if repair.BEGINNING.match(begun):
                self._state = "live"
                kept = self._follow()
                if self._unsent:
                    return self._unsent + (text if kept is None else kept)
                return kept
            if begun.strip() == "{":
                self._unsent = begun
            else:
                self._state = "held"
            return ""
        if self._state == "live":
            return self._follow()
        return "" if self._state == "held" else None

    def _follow(self) -> str | None:
        """What counts of the last delta; None if all of it does."""
        text = kept = ""
        for data in self.deltas[self._followed :]:
            text = _partial_json(data)
            kept = self._nesting.feed(text)
        self._followed = len(self.deltas)
        return None if kept == text else kept

    @property
    def is_complete(self) -> bool:
        """Whether nothing can follow."""
        return self._nesting.is_over

    @property
    def is_broken(self) -> bool:
        """Whether it isn't an object, now that the provider has sent all of it."""
        if self._state == "live":
            return not self.is_complete
        return self._state == "held" or self._unsent != ""

    def text(self) -> str:
        return "".join(map(_partial_json, self.deltas))

    def rest(self, *, is_whole: bool) -> str:
        """What is left to send when its block closes. `is_whole`: the model has written all that it
        wanted."""
        text = self.text()
        if not text.strip():
            return msgspec.json.encode(self._given).decode() if self._given else ""
        if self._state == "live":
            return repair.closing(text) if is_whole and not self.is_complete else ""
        return (repair.repaired(text, is_whole=is_whole) or b"{}").decode()


class _Delta(msgspec.Struct):
    partial_json: str = ""


class _Event(msgspec.Struct):
    delta: _Delta


def _partial_json(data: bytes) -> str:
    """The JSON in the data of a delta that was accepted."""
    return rawjson.decode_mended(data, _Event).delta.partial_json
