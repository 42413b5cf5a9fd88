"""What a request contains that not every model takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from claude_route import targets
from claude_route.dialects.messages import levels
from claude_route.dialects.messages import requests
from claude_route.wire import rawjson

_KINDS: dict[targets.Capability, str] = {"images": "image", "documents": "document"}

_OUTPUT: dict[targets.Capability, str] = {"effort": "effort", "structured_outputs": "format"}
"""Fields of `output_config`."""


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    content: msgspec.Raw = rawjson.NULL


_blocks = msgspec.json.Decoder(list[_Block])


def has(request: requests.Request, what: targets.Capability) -> bool:
    """Whether a request has something that requires this of its model. False if it can't be read."""
    try:
        if field := _OUTPUT.get(what):
            config = request.fields.get("output_config", rawjson.NULL)
            return field in rawjson.decode(config, dict[str, msgspec.Raw])
        kind = _KINDS[what]
        # Few conversations have one: the search takes a hundredth of the time of decoding.
        if not re.search(rb'"type"\s*:\s*"%b"' % kind.encode(), request.text):
            return False
        return any(kind in _types(message.content) for message in request.messages)
    except (*rawjson.REFUSALS, ValueError):
        return False


def _types(content: msgspec.Raw, level: int = 1) -> Iterator[str]:
    """The types of the blocks in a message or a tool's result, and in those."""
    if level > levels.MOST or not rawjson.is_array(content):
        return
    for block in _blocks.decode(content):
        yield block.type
        if block.type == "tool_result":
            yield from _types(block.content, level + 1)
