"""The blocks of an assistant's messages, decoded once for all that has to look at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from claude_route.dialects.messages import requests
from claude_route.wire import rawjson


class Block(msgspec.Struct, gc=False):
    """A block of any kind, without what takes long to decode. Its fields may have any type."""

    type: str = ""
    text: Any = None
    signature: Any = None
    data: Any = None
    id: Any = None
    name: Any = None
    tool_use_id: Any = None
    citations: msgspec.Raw = rawjson.NULL

    @property
    def mark(self) -> str:
        """The signature of a thinking block, whatever its kind."""
        mark = self.data if self.type == "redacted_thinking" else self.signature
        return mark if isinstance(mark, str) else ""


_DECODER = msgspec.json.Decoder(list[Block])

_NONE: list[Block] = []


def read(history: Iterable[requests.Message]) -> list[list[Block]]:
    """The blocks of each message; none for a user's message and for one that is a string.

    Raises:
        ValueError: an assistant's message isn't in Anthropic's form.
    """
    read = []
    for n, message in enumerate(history):
        blocks = _NONE
        if message.role == "assistant" and message.has_blocks:
            try:
                blocks = _DECODER.decode(message.content)
            except rawjson.REFUSALS as e:
                raise ValueError(rawjson.explain(e, f"messages[{n}].content")) from e
        read.append(blocks)
    return read
