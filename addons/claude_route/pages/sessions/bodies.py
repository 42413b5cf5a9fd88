"""The bodies of a turn that are still kept, taken apart."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from mitmproxy import http

from claude_route import responses
from claude_route.dialects import fold
from claude_route.dialects import registry
from claude_route.pages import asking
from claude_route.sessions import blocks
from claude_route.sessions import tree
from claude_route.sessions import turns
from claude_route.wire import content_encoding
from claude_route.wire import rawjson

MAX_THREAD = 50
"""How many earlier requests are read for a conversation of which the wire has a part."""

type Find = Callable[[str], asking.Kept | None]


@dataclass
class Bodies:
    """What is kept of a turn; nothing, if neither body is."""

    kept: asking.Kept | None = None
    contents: Mapping[bytes, bytes] = field(default_factory=dict)
    """The JSON of the conversation's blocks, by digest."""
    answer: tuple[Any, ...] = ()
    """The blocks of the answer, in order."""
    is_request_kept: bool = False
    is_answer_kept: bool = False

    def value(self, block: turns.Block) -> Any:
        """None if the block isn't kept."""
        raw = self.contents.get(block.digest)
        return _value(raw) if raw else None


def read(entry: tree.Entry, find: Find, earlier: Iterable[tree.Entry] = ()) -> Bodies:
    """`earlier` are the session's turns before this one, the latest first."""
    kept = find(entry.turn.flow)
    if kept is None:
        return Bodies()
    request, answer = plain(kept.flow.request), plain(kept.flow.response)
    contents = _contents(request)
    missing = {block.digest for block in entry.conversation} - contents.keys()
    if missing and entry.turn.continues:
        for before in list(earlier)[:MAX_THREAD]:
            found = find(before.turn.flow)
            if found and missing:
                contents = {**_contents(plain(found.flow.request)), **contents}
                contents |= _answered(before.turn, found.flow.response)
                missing -= contents.keys()
    return Bodies(
        kept,
        contents,
        tuple(folded(kept.flow.response, answer).blocks),
        bool(request),
        bool(answer),
    )


def _answered(turn: turns.Turn, response: http.Response | None) -> dict[bytes, bytes]:
    made = folded(response, plain(response)).blocks
    return {block.digest: _raw(value) for block, value in zip(turn.answer, made, strict=False)}


def _raw(value: Any) -> bytes:
    return bytes(rawjson.encode(value))


def _value(raw: bytes) -> Any:
    try:
        return rawjson.decode_mended(raw, object)
    except ValueError:
        return None


def _contents(request: bytes) -> dict[bytes, bytes]:
    try:
        return blocks.contents(request) if request else {}
    except ValueError:
        return {}


def folded(response: http.Response | None, body: bytes) -> fold.Answer:
    """The answer in a body, as far as it has come."""
    if response is None or not body:
        return fold.Answer()
    is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
    try:
        return registry.MESSAGES.fold(body, is_stream=is_stream)
    except ValueError:
        return fold.Answer()


def plain(message: http.Request | http.Response | None) -> bytes:
    """A body out of its content encoding; empty if it is gone or can't be decoded."""
    body = message.raw_content if message else None
    if message is None or not body:
        return b""
    encoding = message.headers.get("content-encoding")
    if not encoding:
        return body
    try:
        return content_encoding.whole(body, encoding, responses.MAX_BODY)
    except (ValueError, OverflowError):
        return b""
