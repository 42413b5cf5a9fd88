"""Reads a request's body as hashed blocks.

A block that the session has had before is found by its hash, and not read again: of a body of 800 KB only a
few blocks are new. So are all messages at once with which a request of the session began before: see
`prefixes`. All of it takes linear time; the body may be anyone's.
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

import msgspec

from claude_route.dialects import fold
from claude_route.dialects.messages import requests
from claude_route.sessions import prefixes
from claude_route.sessions import reminders
from claude_route.sessions import search
from claude_route.sessions import sources
from claude_route.sessions import turns
from claude_route.wire import rawjson

MAX_BLOCKS = 20_000
"""Of a request. What comes after them isn't read."""

LONGEST_SECRET = 2000
"""Characters, and more than any has."""

BILLING = b"x-anthropic-billing-header"
"""The beginning of a system block that Anthropic takes out before it looks for a cached prompt."""

# Strings have their quotes escaped, so this matches only keys. The objects have no objects in them.
_CACHE_POINT = re.compile(rb'"cache_control"\s*+:\s*+(?:\{[^{}]*+\}|null)')
_COMMA_AFTER = re.compile(rb"\s*+,?")
_SPACE = 64
"""Bytes of white space between a comma and a key, at most."""
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


class _Message(msgspec.Struct, gc=False):
    role: Any = None
    content: msgspec.Raw = rawjson.NULL


class _Block(msgspec.Struct, gc=False):
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


def digest(*parts: bytes) -> bytes:
    hashing = hashlib.blake2b(digest_size=8)
    for part in parts:
        hashing.update(b"%d:" % len(part))
        hashing.update(part)
    return hashing.digest()


def without_cache_points(content: bytes) -> tuple[bytes, bytes]:
    """A block without `cache_control`, and the first one that it had; empty if it had none."""
    kept, copied, first = [], 0, b""
    start = content.find(_KEY)
    while start >= 0:
        point = _CACHE_POINT.match(content, start)
        if point is None:
            start = content.find(_KEY, start + 1)
            continue
        first = first or point[0]
        end, before = point.end(), content[max(copied, start - _SPACE) : start].rstrip()
        if before.endswith(b","):
            start = content.rindex(b",", copied, start)
        elif after := _COMMA_AFTER.match(content, end):
            end = after.end()
        kept.append(content[copied:start])
        copied = end
        start = content.find(_KEY, end)
    kept.append(content[copied:])
    return b"".join(kept), first


def begins(prompt: str) -> bytes:
    """The hash of an agent's prompt, in the call that starts it and in its first message."""
    return digest(reminders.asked(prompt).words.encode("utf-8", "replace"))


type Hide = Callable[[bytes], bytes]
"""Removes secrets."""


type Between = Callable[[int], None]
"""Called before the next part of a request is read, with its size in bytes."""


def nothing(size: int) -> None:
    """Where nothing has to be done between."""


def read(
    body: bytes,
    known: turns.Known | None = None,
    calls: Mapping[str, str] | None = None,
    hide: Hide = bytes,
    past: prefixes.Prefixes | None = None,
    between: Between = nothing,
) -> Reading:
    """`known` are the session's blocks so far, `calls` the names of its tool calls by their ids, and `past`
    the beginnings of its requests, to which this adds.

    Raises:
        ValueError: the body isn't a JSON object.
    """
    known, calls = known or {}, calls or {}
    if past and (found := past.find(body)):
        reader = _Reader(known, calls, hide, past, between)
        if reader.read_rest(body, found):
            return reader.reading
    reader = _Reader(known, calls, hide, past, between)
    reader.read(body)
    return reader.reading


def contents(body: bytes) -> dict[bytes, bytes]:
    """The JSON of each block, without `cache_control`, by the block's digest.

    Raises:
        ValueError: the body isn't a JSON object.
    """
    reader = _Reader({}, {}, bytes)
    reader.contents = {}
    reader.read(body)
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
        calls: Mapping[str, str],
        hide: Hide,
        past: prefixes.Prefixes | None = None,
        between: Between = nothing,
    ) -> None:
        self.known = known
        self.hide = hide
        self.calls = calls
        self.past = past
        self.between = between
        self.contents: dict[bytes, bytes] | None = None
        """By digest; None if nobody wants them."""
        self.reading = Reading()
        self._named: dict[str, str] = {}
        """The names of the calls in the request, by their ids."""

    def read(self, body: bytes) -> None:
        self.between(len(body))
        fields = _fields(body)
        self._read_head(fields)
        raws = fields.messages if isinstance(fields, _Listed) else []
        self._read_messages(body, raws)
        self._take_options(fields)

    def read_rest(self, body: bytes, found: prefixes.Found) -> bool:
        """Read a request of which the session has had the beginning. False if it hasn't."""
        self.between(len(found.rest))
        try:
            fields = rawjson.decode_mended(found.rest, _Listed)
        except ValueError:
            return False
        if not fields.messages or bytes(fields.messages[0]) != prefixes.MARK:
            return False
        self._read_head(fields)
        prefix, reading = found.prefix, self.reading
        if len(reading.blocks) + len(prefix.blocks) > MAX_BLOCKS:
            return False
        reading.blocks += prefix.blocks
        reading.begins = prefix.begins
        self._named = prefix.calls
        self._read_messages(body, fields.messages[1:], found)
        self._take_options(fields)
        return True

    def _read_head(self, fields: _Fields) -> None:
        self._read_section("tools", fields.tools)
        self._read_section("system", fields.system)

    def _read_section(self, role: turns.Role, raw: msgspec.Raw) -> None:
        if raw is rawjson.NULL:
            return
        wire, reading = bytes(raw), self.reading
        past = self.past.section(wire) if self.past else None
        if past and len(past.blocks) + len(reading.blocks) <= MAX_BLOCKS:
            reading.blocks += past.blocks
            reading.system = past.text or reading.system
            reading.ttl = past.ttl or reading.ttl
            return
        before, ttl_before, reading.ttl = len(reading.blocks), reading.ttl, 0
        for item in _items(raw):
            if role == "system" and BILLING in bytes(item)[:100]:
                continue
            block = self._add(role, role, item)
            if block and role == "system" and len(reading.system) < 1000:
                reading.system += block.label + "\n"
        if self.past and len(reading.blocks) < MAX_BLOCKS:
            read = tuple(reading.blocks[before:])
            text = reading.system if role == "system" else ""
            self.past.keep_section(wire, prefixes.Section(read, reading.ttl, text))
        reading.ttl = reading.ttl or ttl_before

    def _read_messages(
        self, body: bytes, raws: list[msgspec.Raw], found: prefixes.Found | None = None
    ) -> None:
        """Read the messages; if the session has had a beginning, those that follow it."""
        messages = [_decoded(raw, _Message, _Message()) for raw in raws]
        newest = _after_last_answer(messages)
        begun = len(self.reading.blocks) - (len(found.prefix.blocks) if found else 0)
        ends = []
        for index, message in enumerate(messages):
            self._read(message, is_new=index >= newest, is_first=index == 0 and not found)
            ends.append(len(self.reading.blocks))
        if self.past and len(self.reading.blocks) < MAX_BLOCKS:
            wires = list(map(bytes, raws[:newest]))
            if kept := _lasting(wires, messages):
                of_them = tuple(self.reading.blocks[begun : ends[kept - 1]])
                begins = self.reading.begins
                self.past.keep(body, wires[:kept], of_them, begins, self._named, found)

    def _read(self, message: _Message, *, is_new: bool, is_first: bool) -> None:
        role: turns.Role = "assistant" if message.role == "assistant" else "user"
        as_role = fold.text(message.role)
        for raw in _items(message.content):
            block = self._add(role, as_role, raw)
            if block and role == "user" and (is_new or is_first):
                self._take_words(block, raw, is_new=is_new, is_first=is_first)

    def _take_options(self, fields: _Fields) -> None:
        reading = self.reading
        if isinstance(fields.max_tokens, int):
            reading.max_tokens = fields.max_tokens
        if isinstance(fields.thread, dict):
            reading.thread = fold.text(fields.thread.get("type"))[:20]
            reading.continues = fold.text(fields.thread.get("previous_message_id"))[:128]

    def _add(self, role: turns.Role, as_role: str, raw: msgspec.Raw) -> turns.Block | None:
        reading = self.reading
        if len(reading.blocks) >= MAX_BLOCKS:
            return None
        content = bytes(raw)
        self.between(len(content))
        if _KEY in content:
            content, point = without_cache_points(content)
            if point:
                reading.ttl = HOUR if _HOUR.search(point) else MINUTES_5
        key = digest(as_role.encode("utf-8", "replace"), content)
        if self.contents is not None:
            self.contents[key] = content
        block = self.known.get(key)
        if block is None:
            block, text = self._block(key, role, as_role, content)
            # The answers of earlier turns have their words already.
            is_new = role == "user" or (role == "assistant" and not self.known)
            if is_new and not _is_reminder(block):
                reading.words.append(text)
        elif block.kind.endswith("tool_use"):
            self._named[block.call] = block.name
        reading.blocks.append(block)
        return block

    def _block(
        self, key: bytes, role: turns.Role, as_role: str, content: bytes
    ) -> tuple[turns.Block, str]:
        """The block, and its text or the beginning of a long one."""
        fields = _decoded(content, _Block, _Block())
        kind = "tool" if role == "tools" else fold.text(fields.type)[:40] or "?"
        name, call = fold.text(fields.name)[:200], ""
        whole = fold.text(fields.text) or fold.text(fields.thinking)
        first = ""
        if role == "tools":
            whole = fold.text(fields.description)
        elif kind.endswith("tool_use"):
            call = fold.text(fields.id)[:128]
            arguments = list(_texts(_decoded(fields.input, object, None)))
            whole, first = " ".join(arguments), next(iter(arguments), "")
        elif kind.endswith("tool_result"):
            call = fold.text(fields.tool_use_id)[:128]
            whole = _result(fields.content)
        elif as_role == "system" and role == "user":
            kind = "reminder"
        if role == "user":
            first = reminders.first_words(whole)
        # To look for secrets takes 20 µs for each KB.
        beginnings = whole[:_NEEDED], first[: 4 * turns.MAX_TEXT + LONGEST_SECRET]
        kind, name, call, text, first = self._hidden(kind, name, call, *beginnings)
        if kind.endswith("tool_use"):
            self._named[call] = name
        elif kind.endswith("tool_result"):
            name = self._named.get(call) or self.calls.get(call, "")
        is_words = role == "assistant" and kind in ("text", "thinking")
        tokens = requests.tokens(len(content)) if is_words else requests.weigh(content)
        made = (
            sources.of_tool(name, tokens)
            if role == "tools"
            else sources.of_block(role, kind, name, whole, tokens)
        )
        is_shown = role == "user" or kind.endswith("tool_use")
        label = _short(first if is_shown else text)
        is_error = fields.is_error is True
        return turns.Block(key, role, kind, name, label, made, call, is_error), text

    def _hidden(self, *texts: str) -> tuple[str, ...]:
        """The texts without secrets."""
        joined = "\n".join(texts).encode("utf-8", "replace")
        if self.hide(joined) is joined:
            return texts
        each = (self.hide(text.encode("utf-8", "replace")) for text in texts)
        return tuple(text.decode("utf-8", "replace") for text in each)

    def _take_words(
        self, block: turns.Block, raw: msgspec.Raw, *, is_new: bool, is_first: bool
    ) -> None:
        """A block of the user's first or last words."""
        reading = self.reading
        if block.kind.endswith("tool_result") and is_new:
            reading.results.append(block.name or "?")
            if block.name in _AGENT_TOOLS:
                text = _result(_part(raw).content)
                if found := _AGENT_ID.search(text[:4000]):
                    reading.launched.append((block.call, found[1]))
        elif block.kind == "text":
            words, command = reminders.asked(fold.text(_part(raw).text))
            if words and is_first:
                reading.begins = digest(words.encode("utf-8", "replace"))
            if is_new and (words or command):
                (asked,) = self._hidden((words or command)[:_NEEDED])
                reading.prompt = _short(asked)
                reading.last = asked[:4000] if words else ""


_NEEDED = search.MAX_PART + LONGEST_SECRET
"""Characters of a text in which secrets are looked for: more than are kept."""


def _lasting(wires: Sequence[bytes], messages: Sequence[_Message]) -> int:
    """How many messages the next request will begin with: up to an answer, and without those whose cache point
    moves on."""
    points = (number for number, wire in enumerate(wires) if _KEY in wire)
    last = next(points, len(wires))
    while last and messages[last - 1].role != "assistant":
        last -= 1
    return last


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
            calls.append(_call(block, value, hide))
    return made, calls, words


def _call(block: turns.Block, value: fold.Block, hide: Hide) -> turns.Call:
    if block.name not in _AGENT_TOOLS:
        return turns.Call(block.call, block.name, block.label)
    hidden = _decoded(hide(msgspec.json.encode(value)), dict[str, Any], {}).get("input")
    given, whole = (
        fields if isinstance(fields, dict) else {} for fields in (hidden, value.get("input"))
    )
    if not given:
        return turns.Call(block.call, block.name, block.label)
    return turns.Call(
        block.call,
        block.name,
        block.label,
        _short(fold.text(given.get("description"))) or _short(fold.text(given.get("name"))),
        fold.text(given.get("subagent_type"))[:100],
        begins(fold.text(whole.get("prompt"))),
    )


def _after_last_answer(messages: Sequence[_Message]) -> int:
    """The index after the last message of the assistant."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "assistant":
            return index + 1
    return 0


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The blocks of a content, which may be a string."""
    if raw is rawjson.NULL:
        return []
    if memoryview(raw)[0] == ord('"'):
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
