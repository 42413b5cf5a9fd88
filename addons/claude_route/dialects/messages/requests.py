"""A Messages request: the parts that we need are parsed, the rest stays raw.

https://platform.claude.com/docs/en/api/messages. A conversation may have 32 MB, so we scan it once,
and never re-encode unchanged parts.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property

import msgspec

from claude_route.dialects.messages import survey
from claude_route.wire import rawjson
from claude_route.wire import shape

_BYTES_PER_TOKEN = 3.5
_MOST_CHARACTERS_PER_TOKEN = 5
"""What no tokenizer exceeds in a conversation as a whole: prose has 4 to 5, code and JSON 3 to 4."""

_TOKENS_OF_A_PICTURE = 1500
"""About how many tokens an image or a page takes, whatever its size."""

_BASE64 = re.compile(rb'(?:"data"\s*+:\s*+"|;base64,)(?=[A-Za-z0-9+/]{256})')
"""The beginning of data. Smaller data isn't matched, and counts like text."""

_LOOK = 256 * 1024
"""Bytes in which a beginning is searched for at once: the other threads have to wait meanwhile."""

_LONGEST_BEGINNING = 512
"""Its bytes, those of the data that it is recognised by included."""

_LONGEST_BLANK = 64
"""Bytes. A longer text isn't decoded to find out whether it is blank."""

EMPTY = "[No message content]"
"""The text that Claude Code itself uses for a message that has lost all its blocks."""


type Edits = Mapping[str, msgspec.Raw | None]
"""Top-level field -> its new value; None removes it."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    role: str = ""
    content: msgspec.Raw = rawjson.NULL
    """A string or an array of blocks."""
    output_config: msgspec.Raw = rawjson.NULL
    clear_at: msgspec.Raw = rawjson.NULL

    @property
    def is_marked(self) -> bool:
        """Whether it has a field that only Anthropic understands."""
        return self.output_config != rawjson.NULL or self.clear_at != rawjson.NULL

    @property
    def has_blocks(self) -> bool:
        return rawjson.is_array(self.content)

    def with_blocks(self, blocks: list[msgspec.Raw]) -> Message:
        """The message with other content. If `blocks` is empty, adds one, because content is required."""
        content = blocks or [rawjson.encode({"type": "text", "text": EMPTY})]
        return msgspec.structs.replace(self, content=rawjson.encode(content))


@dataclass(frozen=True, eq=False)
class Request:
    """A request body, decoded as far as routing requires."""

    body: bytes = field(repr=False)
    """As received, after undoing its content-encoding."""
    text: bytes = field(repr=False)
    """The body with U+FFFD for each lone half of a surrogate pair, which no decoder accepts."""
    model: str
    stream: bool
    session: str | None
    """The session_id in metadata.user_id, which is a string of JSON."""
    thread: str | None
    """thread.type: `create`, or `continue` if the request has only the new messages."""
    previous_message_id: str
    """thread.previous_message_id, the answer after which it continues; empty if there is none."""
    tools: msgspec.Raw = field(repr=False)
    """An array; `null` if there are none."""
    tool_choice: msgspec.Raw = field(repr=False)
    """An object, like the next two; `null` if there is none."""
    thinking: msgspec.Raw = field(repr=False)
    output_config: msgspec.Raw = field(repr=False)
    opaque: bool
    """Whether it is nested so deeply that only its top level can be decoded."""
    survey: survey.Survey | None = field(repr=False)
    """What the conversation consists of; None unless it is plain."""

    @cached_property
    def messages(self) -> list[Message]:
        """The conversation.

        Raises:
            ValueError: the request is opaque.
        """
        if self.opaque:
            raise ValueError(rawjson.explain(RecursionError()))
        return _CONVERSATION.decode(self.text).messages

    @cached_property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The top-level fields. Of duplicate keys, the last value counts."""
        if self.opaque:
            return rawjson.outline(self.text)
        try:
            return rawjson.decode(self.text, dict[str, msgspec.Raw])
        except ValueError:
            # read() has skipped the names of fields that it doesn't know, whatever bytes they are of.
            # Each of those that are no UTF-8 becomes a `?`, so that all others stay in their places.
            text = self.text.decode("utf-8", "surrogateescape").encode("utf-8", "replace")
            return rawjson.decode(text, dict[str, msgspec.Raw])

    @property
    def is_fast(self) -> bool:
        """Whether it asks for fast mode: `speed: fast`."""
        return bytes(self.fields.get("speed", b"")) == b'"fast"'

    @property
    def names_one_model(self) -> bool:
        """Whether each top-level field is there once. Of several models we read the last, and a provider
        that gets the body as it is may read the first.

        Raises:
            ValueError: the name of a field is no text.
        """
        return rawjson.span(self.text, self.fields, "model") is not None

    def with_model(self, model: str) -> bytes:
        """The body with another model, and all other bytes unchanged."""
        value = msgspec.json.encode(model)
        span = rawjson.span(self.text, self.fields, "model")
        if span is None:
            return self.with_fields({"model": msgspec.Raw(value)})
        start, end = span
        return b"".join((self.body[:start], value, self.body[end:]))

    def with_fields(self, edits: Edits) -> bytes:
        """The body with these fields, and all other values unchanged."""
        fields = {**self.fields, **edits}
        return msgspec.json.encode({key: raw for key, raw in fields.items() if raw is not None})


def read(body: bytes) -> Request:
    """Parse a request. Checks only what routing requires; the provider checks the rest.

    Raises:
        ValueError: `<place>: expected <what>, got <what>`.
        OverflowError: it has too many values.
    """
    shape.check(body)
    try:
        text, routing, seen, opaque = _routing_fields(body)
    except rawjson.REFUSALS as e:
        raise ValueError(rawjson.explain(e)) from e
    if not routing.model:
        raise ValueError("model: expected a name, got ''")
    return Request(
        body=body,
        text=text,
        model=routing.model,
        stream=bool(routing.stream),
        session=_session(routing.metadata),
        thread=rawjson.kind(routing.thread) or None,
        previous_message_id=_previous_message_id(routing.thread),
        tools=routing.tools,
        tool_choice=routing.tool_choice,
        thinking=routing.thinking,
        output_config=routing.output_config,
        opaque=opaque,
        survey=seen,
    )


_SETTINGS = (
    "max_tokens",
    "output_config",
    "output_format",
    "stop_sequences",
    "temperature",
    "thinking",
    "tool_choice",
    "top_k",
    "top_p",
)


def settings(request: Request) -> bytes:
    """How a request wants its answer made: its options, and whether it has tools."""
    fields = [request.fields.get(name, rawjson.NULL) for name in _SETTINGS]
    has_tools = request.tools not in (rawjson.NULL, msgspec.Raw(b"[]"))
    return b"\n".join((b"%d" % has_tools, *map(bytes, fields)))


def estimate(request: Request) -> int:
    """About how many input tokens a request has; at least 1."""
    counted = (request.fields.get(key) for key in ("system", "tools", "messages"))
    return max(1, sum(weigh(raw) for raw in counted if raw))


def least(request: Request) -> int:
    """How many input tokens a request has at least; its pictures and documents may have none."""
    sizes = (_least(request.fields.get(key)) for key in ("system", "tools", "messages"))
    return sum(sizes) // _MOST_CHARACTERS_PER_TOKEN


def _least(raw: msgspec.Raw | None) -> int:
    """The characters of a part without pictures and documents."""
    if not raw:
        return 0
    text = bytes(raw)
    if text.find(b'"data"') >= 0 or text.find(b";base64,") >= 0:
        places = [0, *itertools.chain.from_iterable(_pictures(text)), len(text)]
        text = b"".join(text[start:end] for start, end in itertools.batched(places, 2))
    return len(text.decode("utf-8", "replace"))


def weigh(raw: msgspec.Raw | bytes) -> int:
    """About how many tokens a part of a request has, in either dialect."""
    text = bytes(raw)
    pictures = []
    # Searching for these strings first takes a tenth of the time.
    if text.find(b'"data"') >= 0 or text.find(b";base64,") >= 0:
        pictures = [end - start for start, end in _pictures(text)]
    counted = (min(tokens(size), _TOKENS_OF_A_PICTURE) for size in pictures)
    return tokens(len(text) - sum(pictures)) + sum(counted)


def _pictures(text: bytes) -> Iterator[tuple[int, int]]:
    """Where the data of pictures and documents begins, and where it ends."""
    at = 0
    while at < len(text):
        if begun := _BASE64.search(text, at, at + _LOOK):
            end = text.find(b'"', begun.end())
            at = end if end >= 0 else len(text)
            yield begun.end(), at
        else:
            at += _LOOK - _LONGEST_BEGINNING


def tokens(size: int) -> int:
    """About how many tokens this many bytes of text have."""
    return math.ceil(size / _BYTES_PER_TOKEN)


def is_blank(text: msgspec.Raw) -> bool:
    """Whether a text has nothing but whitespace, or is none. Providers refuse one that is blank."""
    if len(memoryview(text)) > _LONGEST_BLANK:
        return False
    value = rawjson.decode(text, object)
    return not isinstance(value, str) or not value or value.isspace()


class _RoutingFields(msgspec.Struct):
    model: str
    stream: bool | None = None
    metadata: msgspec.Raw = rawjson.NULL
    thread: msgspec.Raw = rawjson.NULL
    tools: msgspec.Raw = rawjson.NULL
    tool_choice: msgspec.Raw = rawjson.NULL
    thinking: msgspec.Raw = rawjson.NULL
    output_config: msgspec.Raw = rawjson.NULL


class _PlainFields(_RoutingFields, kw_only=True):
    messages: list[survey.Message] = []


class _OtherFields(_RoutingFields, kw_only=True):
    messages: list[Message] = []


class _Conversation(msgspec.Struct):
    messages: list[Message] = []


class _Metadata(msgspec.Struct):
    user_id: str


class _User(msgspec.Struct):
    session_id: str


_PLAIN_FIELDS = msgspec.json.Decoder(_PlainFields)
_ROUTING_FIELDS = msgspec.json.Decoder(_OtherFields)
_CONVERSATION = msgspec.json.Decoder(_Conversation)


def _routing_fields(body: bytes) -> tuple[bytes, _RoutingFields, survey.Survey | None, bool]:
    """The text, the fields that read() needs, what is in the conversation, and whether it is opaque."""
    try:
        plain = _PLAIN_FIELDS.decode(body)
    except rawjson.REFUSALS:
        pass
    else:
        return body, plain, survey.of(plain.messages), False
    text = body
    while True:
        try:
            return text, _ROUTING_FIELDS.decode(text), None, False
        except RecursionError:
            return text, _outlined_routing_fields(text), None, True
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if shape.has_many_halves(text):
                raise OverflowError(
                    f"body: expected at most {shape.MOST_HALVES} halves of surrogate pairs, got more"
                ) from None
            mended = rawjson.mend(text)
            if mended == text:
                raise
            text = mended


def _outlined_routing_fields(text: bytes) -> _RoutingFields:
    outline = rawjson.outline(text)
    if not rawjson.is_array(outline.get("messages", msgspec.Raw(b"[]"))):
        raise ValueError("messages: expected an array, got something else")
    shallow = ("model", "stream", "metadata", "thread")
    routing = _ROUTING_FIELDS.decode(
        msgspec.json.encode({key: outline[key] for key in shallow if key in outline})
    )
    for key in ("tools", "tool_choice", "thinking", "output_config"):
        setattr(routing, key, outline.get(key, rawjson.NULL))
    return routing


class _Thread(msgspec.Struct):
    previous_message_id: str


def _previous_message_id(thread: msgspec.Raw) -> str:
    if thread == rawjson.NULL:
        return ""
    try:
        return msgspec.json.decode(thread, type=_Thread).previous_message_id
    except rawjson.REFUSALS:
        return ""


def _session(metadata: msgspec.Raw) -> str | None:
    try:
        user_id = msgspec.json.decode(metadata, type=_Metadata).user_id
        session = msgspec.json.decode(user_id, type=_User).session_id
        return session if session and session.isprintable() else None
    except rawjson.REFUSALS:
        return None
