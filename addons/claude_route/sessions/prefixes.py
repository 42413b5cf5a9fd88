"""The beginnings of conversations that a session has had, so that of its next request only the rest is read.

Each request of a client has all that the one before had. Here are the messages that both have: a hash of
their bytes, and what was read from them. To hash a megabyte takes 0.2 ms, to read it 20 times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from claude_route.sessions import turns

MOST = 8
"""Beginnings kept of a session: those of its agents that sent something last."""

MOST_SECTIONS = 16
"""Lists of tools and system prompts kept of a session."""

_MOST_SPANS = 16
"""Of a beginning. Then all of it is hashed again, as one."""

_PROBE = 48
"""Bytes at the end that are compared before all is hashed."""

_MOST_KEYS = 8
"""Places at which the messages may begin: tools may have a field of the same name."""

_PLACE, _CALL, _KEPT = 8, 150, 500
"""About how many bytes a block's place takes, the name of a call, and what else is kept."""

MARK = b'"%x"' % abs(hash(__name__))
"""In place of the messages that are not read again. Nobody can write it into a request: the hash has a random key."""

_MESSAGES = re.compile(rb'"messages"\s*+:\s*+\[\s*+')
_COMMA = re.compile(rb"\s*+,\s*+")


class Span(NamedTuple):
    """Bytes that follow those of the span before."""

    end: int
    """Counted from the first message."""
    hash: int
    """Python's hash of bytes has a random key, so that nobody can make others for which it is the same."""


class Prefix(NamedTuple):
    spans: tuple[Span, ...]
    probe: bytes
    """The last bytes."""
    blocks: tuple[turns.Block, ...]
    begins: bytes
    calls: dict[str, str]
    """The tools' names by the ids of the calls in it; perhaps some more."""

    @property
    def end(self) -> int:
        return self.spans[-1].end

    @property
    def weight(self) -> int:
        return _KEPT + _PLACE * len(self.blocks) + _CALL * len(self.calls)

    def is_at(self, body: bytes, start: int) -> bool:
        """Whether it stands there."""
        end = start + self.end
        if body[end - len(self.probe) : end] != self.probe:
            return False
        view, at = memoryview(body), start
        for span in self.spans:
            if hash(view[at : start + span.end]) != span.hash:
                return False
            at = start + span.end
        return True


class Section(NamedTuple):
    """What was read from a list of tools or a system prompt."""

    blocks: tuple[turns.Block, ...]
    ttl: int
    text: str
    """The beginning of a system prompt."""

    @property
    def weight(self) -> int:
        return _KEPT + _PLACE * len(self.blocks)


class Found(NamedTuple):
    prefix: Prefix
    start: int
    """Where the messages begin."""
    rest: bytes
    """The request with MARK in place of the messages that the prefix has."""


class Prefixes:
    """Those of one session. Used by one thread at a time."""

    def __init__(self) -> None:
        self._prefixes: list[Prefix] = []
        """The one that was used last comes last."""
        self._sections: dict[tuple[int, int], Section] = {}
        self.weight = 0
        """About how many bytes it takes. Others may read it meanwhile."""

    def find(self, body: bytes) -> Found | None:
        if not self._prefixes:
            return None
        longest_first = sorted(self._prefixes, key=lambda prefix: -prefix.end)
        for start in _starts(body):
            for prefix in longest_first:
                if prefix.is_at(body, start):
                    rest = b"".join((body[:start], MARK, body[start + prefix.end :]))
                    return Found(prefix, start, rest)
        return None

    def keep(
        self,
        body: bytes,
        messages: Sequence[bytes],
        blocks: tuple[turns.Block, ...],
        begins: bytes,
        calls: dict[str, str],
        after: Found | None = None,
    ) -> None:
        """Keep that the body begins with these messages, which follow those of `after`, and what was read
        from all of them."""
        start, end, spans = 0, 0, tuple[Span, ...]()
        if after:
            start, spans = after.start, after.prefix.spans
            end = _end(body, messages, start + after.prefix.end, is_first=False)
        else:
            for start in _starts(body):
                if end := _end(body, messages, start, is_first=True):
                    break
        if not end:
            return
        if after:
            self._prefixes.remove(after.prefix)
        if len(spans) == _MOST_SPANS:
            spans = ()
        before = start + (spans[-1].end if spans else 0)
        added = Span(end - start, hash(memoryview(body)[before:end]))
        probe = body[max(end - _PROBE, start) : end]
        self._prefixes.append(Prefix((*spans, added), probe, blocks, begins, calls))
        del self._prefixes[:-MOST]
        self._weigh()

    def section(self, raw: bytes) -> Section | None:
        return self._sections.get(_key(raw))

    def keep_section(self, raw: bytes, section: Section) -> None:
        if len(self._sections) == MOST_SECTIONS:
            del self._sections[next(iter(self._sections))]
        self._sections[_key(raw)] = section
        self._weigh()

    def _weigh(self) -> None:
        kept = sum(prefix.weight for prefix in self._prefixes)
        self.weight = kept + sum(section.weight for section in self._sections.values())


def _key(raw: bytes) -> tuple[int, int]:
    return hash(raw), len(raw)


def _starts(body: bytes) -> Iterator[int]:
    """Where an array of messages may begin. Which it is shows the MARK: it is the request's first message
    only if this was the array."""
    at = 0
    for _ in range(_MOST_KEYS):
        at = body.find(b'"messages"', at)
        if at < 0:
            return
        if match := _MESSAGES.match(body, at):
            yield match.end()
        at += 1


def _end(body: bytes, messages: Sequence[bytes], at: int, *, is_first: bool) -> int:
    """Where these messages end that begin at `at`, or follow the one that ends there; 0 if they don't."""
    for number, message in enumerate(messages):
        if number or not is_first:
            comma = _COMMA.match(body, at)
            if comma is None:
                return 0
            at = comma.end()
        if not body.startswith(message, at):
            return 0
        at += len(message)
    return at
