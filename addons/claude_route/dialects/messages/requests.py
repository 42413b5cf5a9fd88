"""A Messages API request: the parts that we read, the rest raw.

https://platform.claude.com/docs/en/api/messages. A conversation may have 32 MB, so it is scanned
once, and unchanged parts are never re-encoded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property

import msgspec

from claude_route.wire import rawjson

_BYTES_PER_TOKEN = 3.5
_TOKENS_OF_A_PICTURE = 1500
"""About what an image or a page takes, however many bytes it has."""

_BASE64 = re.compile(rb'(?:"data"\s*+:\s*+"|;base64,)([A-Za-z0-9+/]{256}[^"]*+)')
"""What is too small to be found counts like text."""

EMPTY = "[No message content]"
"""What Claude Code itself puts where a message has lost all its blocks."""


type Edits = Mapping[str, msgspec.Raw | None]
"""Top-level fields and what becomes of them; None drops one."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    role: str = ""
    content: msgspec.Raw = rawjson.NULL
    """A string or an array of blocks."""
    output_config: msgspec.Raw = rawjson.NULL
    clear_at: msgspec.Raw = rawjson.NULL

    @property
    def is_marked(self) -> bool:
        """Whether it has one of the fields that only Anthropic knows."""
        return self.output_config != rawjson.NULL or self.clear_at != rawjson.NULL

    @property
    def has_blocks(self) -> bool:
        return rawjson.is_array(self.content)

    def with_blocks(self, blocks: list[msgspec.Raw]) -> Message:
        """The message with other content, and never without any: it may not be empty."""
        content = blocks or [rawjson.encode({"type": "text", "text": EMPTY})]
        return msgspec.structs.replace(self, content=rawjson.encode(content))


@dataclass(frozen=True, eq=False)
class Request:
    """A request body, decoded as far as the choice of a route needs it."""

    body: bytes = field(repr=False)
    """As it came, without its content-encoding."""
    text: bytes = field(repr=False)
    """The body, with U+FFFD for each lone half of a surrogate pair: no decoder takes those."""
    model: str
    stream: bool
    session: str | None
    """The session_id in metadata.user_id, which is JSON in a string."""
    thread: str | None
    """thread.type: `create`, or `continue`, whose messages are the new ones only."""
    tools: msgspec.Raw = field(repr=False)
    """An array, or `null` where there are none."""
    opaque: bool
    """Nested so deeply that nothing below the top level can be decoded."""
    _messages: list[Message] = field(repr=False)

    @property
    def messages(self) -> list[Message]:
        """The conversation.

        Raises:
            ValueError: the request is opaque.
        """
        if self.opaque:
            raise ValueError(rawjson.explain(RecursionError()))
        return self._messages

    @cached_property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The top level; where a key stands twice, its last value."""
        if self.opaque:
            return rawjson.outline(self.text)
        return rawjson.decode(self.text, dict[str, msgspec.Raw])

    def with_model(self, model: str) -> bytes:
        """The body with another model, and every other byte as it was."""
        value = msgspec.json.encode(model)
        span = rawjson.span(self.text, self.fields, "model")
        if span is None:
            return self.with_fields({"model": msgspec.Raw(value)})
        start, end = span
        return b"".join((self.body[:start], value, self.body[end:]))

    def with_fields(self, edits: Edits) -> bytes:
        """The body with these fields, and every other value as it was."""
        fields = {**self.fields, **edits}
        return msgspec.json.encode({key: raw for key, raw in fields.items() if raw is not None})


def read(body: bytes) -> Request:
    """A request. What no route depends on is not checked: the provider knows its own rules.

    Raises:
        ValueError: `<place>: expected <what>, got <what>`; it cannot be served.
    """
    try:
        text, head, opaque = _head(body)
    except rawjson.REFUSALS as e:
        raise ValueError(rawjson.explain(e)) from e
    if not head.model:
        raise ValueError("model: expected a name, got ''")
    return Request(
        body=body,
        text=text,
        model=head.model,
        stream=bool(head.stream),
        session=_session(head.metadata),
        thread=rawjson.kind(head.thread) or None,
        tools=head.tools,
        opaque=opaque,
        _messages=head.messages,
    )


def estimate(request: Request) -> int:
    """About how many input tokens a request has, never 0."""
    counted = (request.fields.get(key) for key in ("system", "tools", "messages"))
    return max(1, sum(weigh(raw) for raw in counted if raw))


def weigh(raw: msgspec.Raw) -> int:
    """About how many tokens a part of a request has, in either dialect."""
    text = bytes(raw)
    pictures = []
    # Looking for the words first takes a tenth of the time.
    if text.find(b'"data"') >= 0 or text.find(b";base64,") >= 0:
        pictures = [found.end(1) - found.start(1) for found in _BASE64.finditer(text)]
    counted = (min(tokens(size), _TOKENS_OF_A_PICTURE) for size in pictures)
    return tokens(len(text) - sum(pictures)) + sum(counted)


def tokens(size: int) -> int:
    """About how many tokens so many bytes of text are."""
    return math.ceil(size / _BYTES_PER_TOKEN)


class _Head(msgspec.Struct):
    model: str
    stream: bool | None = None
    messages: list[Message] = []
    metadata: msgspec.Raw = rawjson.NULL
    thread: msgspec.Raw = rawjson.NULL
    tools: msgspec.Raw = rawjson.NULL


class _Metadata(msgspec.Struct):
    user_id: str


class _User(msgspec.Struct):
    session_id: str


_HEAD = msgspec.json.Decoder(_Head)


def _head(body: bytes) -> tuple[bytes, _Head, bool]:
    """The text, what read() needs of it, and whether it is opaque."""
    text = body
    while True:
        try:
            return text, _HEAD.decode(text), False
        except RecursionError:
            return text, _outlined_head(text), True
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            mended = rawjson.mend(text)
            if mended == text:
                raise
            text = mended


def _outlined_head(text: bytes) -> _Head:
    outline = rawjson.outline(text)
    if not rawjson.is_array(outline.get("messages", msgspec.Raw(b"[]"))):
        raise ValueError("messages: expected an array, got something else")
    shallow = ("model", "stream", "metadata", "thread")
    head = _HEAD.decode(
        msgspec.json.encode({key: outline[key] for key in shallow if key in outline})
    )
    head.tools = outline.get("tools", rawjson.NULL)
    return head


def _session(metadata: msgspec.Raw) -> str | None:
    try:
        user_id = msgspec.json.decode(metadata, type=_Metadata).user_id
        return msgspec.json.decode(user_id, type=_User).session_id or None
    except rawjson.REFUSALS:
        return None
