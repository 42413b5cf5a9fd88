"""Reads a request's body as hashed blocks.

A block that the session has had before is found by its hash, and not read again: of a body of 800 KB only a
few blocks are new. So is a whole message, once all of its blocks were found. All of it takes linear time; the
body may be anyone's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route.dialects import fold
from claude_route.dialects.messages import requests
from claude_route.sessions import reminders
from claude_route.sessions import search
from claude_route.sessions import sources
from claude_route.sessions import turns
from claude_route.wire import rawjson

MAX_BLOCKS = 20_000
"""Of a request. What comes after them isn't read."""

MAX_PAST_BLOCKS = 8
"""Of a message that is found as a whole."""

LONGEST_SECRET = 2000
"""Characters, and more than any has."""

BILLING = b"x-anthropic-billing-header"
"""The beginning of a system block that Anthropic takes out before it looks for a cached prompt."""

# Strings have their quotes escaped, so this matches only keys. The objects have no objects in them.
_CACHE_POINT = re.compile(
    rb',\s*+"cache_control"\s*+:\s*+(?:\{[^{}]*+\}|null)'
    rb'|"cache_control"\s*+:\s*+(?:\{[^{}]*+\}|null)\s*+,?'
)
_HOUR = re.compile(rb'"ttl"\s*+:\s*+"1h"')
_KEY = b'"cache_control"'

MINUTES_5, HOUR = 300, 3600
"""Seconds for which Anthropic's cache lasts: https://platform.claude.com/docs/en/build-with-claude/prompt-caching"""

_AGENT_TOOLS = ("Agent", "Task")
_AGENT_ID = re.compile(r"^agentId: (\w{1,64})", re.MULTILINE)


class _Fields(msgspec.Struct):
    """Any JSON object: whatever isn't here or has another type is as if it were missing."""

    tools: msgspec.Raw = rawjson.NULL
    system: msgspec.Raw = rawjson.NULL
    messages: msgspec.Raw = rawjson.NULL
    thread: Any = None
    max_tokens: Any = None


class _Listed(_Fields):
    """As the fields, with messages that are an array. Saves a pass over all of them."""

    messages: list[msgspec.Raw] = []  # type: ignore[assignment]


class _Message(msgspec.Struct):
    role: Any = None
    content: msgspec.Raw = rawjson.NULL


class _Block(msgspec.Struct):
    type: Any = None
    text: Any = None
    thinking: Any = None
    name: Any = None
    id: Any = None
    tool_use_id: Any = None
    is_error: Any = None
    description: Any = None
    input: msgspec.Raw = rawjson.NULL
    content: msgspec.Raw = rawjson.NULL


@dataclass
class Reading:
    """What a request's body has."""

    blocks: list[turns.Block] = field(default_factory=list)
    prompt: str = ""
    last: str = ""
    """The beginning of the user's last words, with everything."""
    system: str = ""
    """The beginning of the system prompt."""
    results: list[str] = field(default_factory=list)
    begins: bytes = b""
    max_tokens: int = 0
    ttl: int = 0
    thread: str = ""
    continues: str = ""
    launched: list[tuple[str, str]] = field(default_factory=list)
    """The ids of calls, and of the agents that their results say they started."""
    words: list[str] = field(default_factory=list)
    """The texts of blocks that the session hasn't had before, for the search."""

    @property
    def tools(self) -> int:
        return sum(block.role == "tools" for block in self.blocks)


class Past(NamedTuple):
    """A message whose blocks the session has all had before."""

    role: turns.Role
    blocks: tuple[turns.Block, ...]


type PastMessages = dict[tuple[int, int], Past]
"""By the hash of their JSON, and its length. Python's hash of bytes has a random key, so that nobody can make
two messages for which it is the same."""


def digest(*parts: bytes) -> bytes:
    hashing = hashlib.blake2b(digest_size=8)
    for part in parts:
        hashing.update(b"%d:" % len(part))
        hashing.update(part)
    return hashing.digest()


def begins(prompt: str) -> bytes:
    """The hash of an agent's prompt, in the call that starts it and in its first message."""
    return digest(reminders.asked(prompt).words.encode("utf-8", "replace"))


type Hide = Callable[[bytes], bytes]
"""Removes secrets."""


def read(
    body: bytes,
    known: turns.Known | None = None,
    calls: Mapping[str, str] | None = None,
    hide: Hide = bytes,
    past: PastMessages | None = None,
) -> Reading:
    """`known` are the session's blocks so far, `calls` the names of its tool calls by their ids, and `past`
    its messages, to which this adds.

    Raises:
        ValueError: the body isn't a JSON object.
    """
    reader = _Reader(known or {}, dict(calls or {}), hide, past)
    reader.read(_fields(body))
    return reader.reading


def contents(body: bytes) -> dict[bytes, bytes]:
    """The JSON of each block, without `cache_control`, by the block's digest.

    Raises:
        ValueError: the body isn't a JSON object.
    """
    reader = _Reader({}, {}, bytes)
    reader.contents = {}
    reader.read(_fields(body))
    return reader.contents


def _fields(body: bytes) -> _Fields:
    try:
        return rawjson.decode_mended(body, _Listed)
    except ValueError:
        return rawjson.decode_mended(body, _Fields)


class _Reader:
    def __init__(
        self,
        known: turns.Known,
        calls: dict[str, str],
        hide: Hide,
        past: PastMessages | None = None,
    ) -> None:
        self.known = known
        self.hide = hide
        self.calls = calls
        self.past = past
        self.contents: dict[bytes, bytes] | None = None
        """By digest; None if nobody wants them."""
        self.reading = Reading()

    def read(self, fields: _Fields) -> None:
        reading = self.reading
        for raw in _items(fields.tools):
            self._add("tools", "tools", raw)
        for raw in _items(fields.system):
            if BILLING not in bytes(raw)[:100]:
                block = self._add("system", "system", raw)
                if block and len(reading.system) < 1000:
                    reading.system += block.label + "\n"
        raws = fields.messages if isinstance(fields, _Listed) else []
        messages = [self._message(raw) for raw in raws]
        newest = _after_last_answer([message for _, message in messages])
        for index, (wire, message) in enumerate(messages):
            is_asked = message.role != "assistant" and (index >= newest or index == 0)
            if isinstance(message, Past) and (is_asked or not self._repeat(message)):
                message = _decoded(wire, _Message, _Message())
            if isinstance(message, _Message):
                self._read(wire, message, is_new=index >= newest, is_first=index == 0)
        self._take_options(fields)

    def _message(self, raw: msgspec.Raw) -> tuple[bytes, Past | _Message]:
        """A message's JSON, and what it has."""
        wire = bytes(raw)
        past = self.past.get(_key(wire)) if self.past and self.contents is None else None
        return wire, past or _decoded(wire, _Message, _Message())

    def _repeat(self, message: Past) -> bool:
        """Take the blocks of a message that the session has had. False if it would be too many."""
        taken = self.reading.blocks
        if len(taken) + len(message.blocks) > MAX_BLOCKS:
            return False
        taken += message.blocks
        for block in message.blocks:
            if block.call and block.kind.endswith("tool_use"):
                self.calls[block.call] = block.name
        return True

    def _read(self, wire: bytes, message: _Message, *, is_new: bool, is_first: bool) -> None:
        role: turns.Role = "assistant" if message.role == "assistant" else "user"
        before = len(self.reading.blocks)
        raws = _items(message.content)
        for raw in raws:
            block = self._add(role, fold.text(message.role), raw)
            if block and role == "user" and (is_new or is_first):
                self._take_words(block, raw, is_new=is_new, is_first=is_first)
        if self.past is None or len(raws) > MAX_PAST_BLOCKS or _KEY in wire:
            return
        blocks = tuple(self.reading.blocks[before:])
        if len(blocks) == len(raws) and all(self.known.get(b.digest) is b for b in blocks):
            self.past[_key(wire)] = Past(role, blocks)

    def _take_options(self, fields: _Fields) -> None:
        reading = self.reading
        if isinstance(fields.max_tokens, int):
            reading.max_tokens = fields.max_tokens
        if isinstance(fields.thread, dict):
            reading.thread = fold.text(fields.thread.get("type"))[:20]
            reading.continues = fold.text(fields.thread.get("previous_message_id"))[:128]

    def _add(self, role: turns.Role, as_role: str, raw: msgspec.Raw) -> turns.Block | None:
        if len(self.reading.blocks) >= MAX_BLOCKS:
            return None
        content = bytes(raw)
        if _KEY in content:
            if found := _CACHE_POINT.search(content):
                self.reading.ttl = HOUR if _HOUR.search(found[0]) else MINUTES_5
            content = _CACHE_POINT.sub(b"", content)
        key = digest(as_role.encode("utf-8", "replace"), content)
        if self.contents is not None:
            self.contents[key] = content
        block = self.known.get(key)
        if block is None:
            block, text = self._block(key, role, as_role, content)
            # The answers of earlier turns have their words already.
            is_new = role == "user" or (role == "assistant" and not self.known)
            if is_new and not _is_reminder(block):
                self.reading.words.append(text)
        elif block.kind.endswith("tool_use"):
            self.calls[block.call] = block.name
        self.reading.blocks.append(block)
        return block

    def _block(
        self, key: bytes, role: turns.Role, as_role: str, content: bytes
    ) -> tuple[turns.Block, str]:
        fields = self._fields(content, is_answers=role == "assistant")
        kind = "tool" if role == "tools" else fold.text(fields.type)[:40] or "?"
        tokens = requests.weigh(msgspec.Raw(content))
        name, call = fold.text(fields.name)[:200], ""
        text = label = fold.text(fields.text) or fold.text(fields.thinking)
        if role == "tools":
            text = label = fold.text(fields.description)
        elif kind.endswith("tool_use"):
            call = fold.text(fields.id)[:128]
            self.calls[call] = name
            arguments = list(_texts(_decoded(fields.input, object, None)))
            text, label = " ".join(arguments), next(iter(arguments), "")
        elif kind.endswith("tool_result"):
            call = fold.text(fields.tool_use_id)[:128]
            name = self.calls.get(call, "")
            text = label = _result(fields.content)
        elif as_role == "system" and role == "user":
            kind = "reminder"
        if role == "user":
            label = reminders.first_words(text)
        made = (
            sources.of_tool(name, tokens)
            if role == "tools"
            else sources.of_block(role, kind, name, text, tokens)
        )
        return turns.Block(
            key, role, kind, name, _short(label), made, call, is_error=fields.is_error is True
        ), text

    def _fields(self, content: bytes, *, is_answers: bool = False) -> _Block:
        if is_answers and len(content) > 2 * _NEEDED:
            content = _shortened(content)
        return _decoded(self.hide(content), _Block, _Block())

    def _take_words(
        self, block: turns.Block, raw: msgspec.Raw, *, is_new: bool, is_first: bool
    ) -> None:
        """A block of the user's first or last words."""
        reading = self.reading
        if block.kind.endswith("tool_result") and is_new:
            reading.results.append(block.name or "?")
            if block.name in _AGENT_TOOLS:
                text = _result(self._fields(bytes(raw)).content)
                if found := _AGENT_ID.search(text[:4000]):
                    reading.launched.append((block.call, found[1]))
        elif block.kind == "text":
            text = fold.text(self._fields(bytes(raw)).text)
            words, command = reminders.asked(text)
            if words and is_first:
                reading.begins = digest(words.encode("utf-8", "replace"))
            if is_new and (words or command):
                reading.prompt = _short(words or command)
                reading.last = words[:4000]


_NEEDED = search.MAX_PART + LONGEST_SECRET
"""Characters of an answer's text that are read: to look for secrets takes 20 µs for each KB."""


def _shortened(content: bytes) -> bytes:
    """The block, with only the beginning of its text if it has nothing else that is long."""
    block = _decoded(content, _Block, _Block())
    text, thinking = fold.text(block.text), fold.text(block.thinking)
    if len(text) + len(thinking) <= _NEEDED or block.type not in ("text", "thinking"):
        return content
    block.text, block.thinking = text[:_NEEDED], thinking[:_NEEDED]
    return msgspec.json.encode(block)


def of_values(values: Iterable[Any]) -> list[turns.Block]:
    """The blocks of an answer that may still grow."""
    reader = _Reader({}, {}, bytes)
    return [_of_value(reader, value)[0] for value in values]


def _of_value(reader: _Reader, value: Any) -> tuple[turns.Block, str]:
    content = msgspec.json.encode(value)
    return reader._block(digest(b"assistant", content), "assistant", "assistant", content)


def of_answer(
    answer: fold.Answer, hide: Hide = bytes
) -> tuple[list[turns.Block], list[turns.Call], list[str]]:
    """The blocks of an answer, its calls, and its texts for the search."""
    made, calls, words = [], [], []
    reader = _Reader({}, {}, hide)
    for value in answer.blocks[:MAX_BLOCKS]:
        block, text = _of_value(reader, value)
        made.append(block)
        words.append(text)
        if block.kind.endswith("tool_use"):
            given = _decoded(hide(msgspec.json.encode(value)), dict[str, Any], {}).get("input")
            calls.append(_call(block, given))
    return made, calls, words


def _call(block: turns.Block, given: Any) -> turns.Call:
    if block.name in _AGENT_TOOLS and isinstance(given, dict):
        return turns.Call(
            block.call,
            block.name,
            block.label,
            _short(fold.text(given.get("description"))) or _short(fold.text(given.get("name"))),
            fold.text(given.get("subagent_type"))[:100],
            begins(fold.text(given.get("prompt"))),
        )
    return turns.Call(block.call, block.name, block.label)


def _key(wire: bytes) -> tuple[int, int]:
    return hash(wire), len(wire)


def _after_last_answer(messages: Sequence[Past | _Message]) -> int:
    """The index after the last message of the assistant."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "assistant":
            return index + 1
    return 0


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The blocks of a content, which may be a string."""
    if bytes(raw)[:1] == b'"':
        return [msgspec.Raw(b'{"type":"text","text":' + bytes(raw) + b"}")]
    return _decoded(raw, list[msgspec.Raw], [])


def _decoded[T](raw: msgspec.Raw | bytes, type: type[T], otherwise: T) -> T:
    try:
        return rawjson.decode_mended(raw, type)
    except ValueError:
        return otherwise


def _result(raw: msgspec.Raw) -> str:
    return "\n".join(fold.text(_part(item).text) for item in _items(raw))


def _part(raw: msgspec.Raw) -> _Block:
    return _decoded(raw, _Block, _Block())


def _texts(value: Any) -> Iterator[str]:
    """The strings in a value, in order, and not deeper than anyone writes."""
    queue = [value]
    seen = 0
    while queue and seen < 1000:
        seen += 1
        match queue.pop():
            case str() as text:
                yield text
            case dict() as fields:
                queue += reversed(fields.values())
            case list() as items:
                queue += reversed(items)


def _short(text: str) -> str:
    return " ".join(text[: 4 * turns.MAX_TEXT].split())[: turns.MAX_TEXT]


def _is_reminder(block: turns.Block) -> bool:
    reminded = {sources.REMINDERS, sources.MEMORY, sources.SKILLS}
    return bool(block.sources) and all(source in reminded for source, _ in block.sources)
