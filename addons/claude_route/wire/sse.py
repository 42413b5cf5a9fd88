"""Server-sent events: bytes to events and back.

https://html.spec.whatwg.org/multipage/server-sent-events.html, keeping the bytes of each event, so
that unchanged events pass byte for byte.
"""

from __future__ import annotations

import re

import msgspec

# A blank line before anything else, or the two line ends that close an event. A `\r` that is the
# last byte so far may be half of `\r\n`, so we wait for the next byte, except after a bare `\r`:
# servers that send bare ones use them throughout.
_BLANK = re.compile(rb"\n|\r\n|\r(?=[^\n])")
_END = re.compile(rb"\n(?:\n|\r\n|\r(?=[^\n]))|\r\r")

# Matches nearly all events, so that they need not be parsed line by line. Only for data without `\r`.
_PLAIN = re.compile(rb"((?:event: ?([^\n]*)\n)?data: ?([^\n]*)\n\n)")
# As many of them as follow each other. That takes another look at them, but then findall() returns all at
# once, in half the time of a match for each.
_RUN = re.compile(rb"(?:(?:event: ?[^\n]*\n)?data: ?[^\n]*\n\n)++")

# Events without name and data that follow each other: blank lines, comments, other fields. Lines that
# have a name or data, also after a byte order mark, are none of theirs.
_IDLE_RUN = rb"(?:%b++|(?:(?!data[:\r\n]|event:(?! ?[\r\n])|\xef\xbb\xbf)[^\r\n]++%b)++%b)++"
_LINE_END = rb"(?:\n|\r\n|\r(?=[^\n]))"
_IDLE = re.compile(_IDLE_RUN % (rb"\n", rb"\n", rb"\n"))
_IDLE_RETURNS = re.compile(_IDLE_RUN % (_LINE_END, _LINE_END, _LINE_END))

_FEW_IDLE = 8
"""As many events without name and data at once are an event each. What follows them comes as one, because
megabytes of blank lines would be millions of events."""

# Those of nearly all events. Names that are one object are compared in half the time.
_NAMES = {
    name.encode(): name
    for name in (
        "content_block_delta",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_start",
        "message_stop",
        "ping",
        "error",
    )
}

_RETURN = ord("\r")

# A byte order mark may begin the stream. A later line that begins with one is ignored.
_ORDER_MARK = b"\xef\xbb\xbf"

# A whole answer of 128k tokens is under 1 MiB, so a longer event isn't a model's. We pass it on in
# pieces without name and data, so that memory stays bounded.
LIMIT = 8 * 1024 * 1024

_MOST_LINES = 50_000
"""Of an event that is parsed."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event. Comments without an event are an Event with no name and no data."""

    name: str
    data: bytes
    raw: bytes
    """All its bytes, including the blank line. Joined, those of all events and Decoder.rest() are the
    stream."""


class Decoder:
    """Splits a stream into events, wherever its chunks are cut."""

    def __init__(self) -> None:
        self._pending = bytearray()
        """The bytes of the event that has not ended."""
        self._searched = 0
        """How far `_pending` has been searched for the event's end."""
        self._returns = False
        """Whether `_pending` contains a `\\r`."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Many without name and data that follow each other may be
        one."""
        returns = _RETURN in chunk
        if self._pending:
            self._pending += chunk
            returns = returns or self._returns
            if not _end(self._pending, 0, self._searched, returns) and len(self._pending) <= LIMIT:
                self._wait(returns)
                return []
            chunk = self.rest()
            self._pending.clear()
        events = []
        at = idle = 0
        # The hot path, an event for each token.
        while at < len(chunk):
            if not returns and (run := _RUN.match(chunk, at)):
                end = run.end()
                for raw, name, data in _PLAIN.findall(chunk, at, end):
                    events.append(
                        Event(_NAMES.get(name) or name.decode(errors="replace"), data, raw)
                    )
            elif idle >= _FEW_IDLE and (
                run := (_IDLE_RETURNS if returns else _IDLE).match(chunk, at)
            ):
                end = run.end()
                events.append(Event("", b"", run[0]))
            elif end := _end(chunk, at, at, returns):
                event = _event(chunk[at:end])
                events.append(event)
                idle = 0 if event.data or event.name else idle + 1
            elif len(chunk) - at > LIMIT:
                end = len(chunk)
                events.append(Event("", b"", chunk[at:]))
            else:
                self._pending += chunk[at:]
                break
            at = end
        self._wait(returns)
        return events

    def _wait(self, returns: bool) -> None:
        self._searched = max(len(self._pending) - 2, 0)
        self._returns = returns

    def rest(self) -> bytes:
        """The bytes of the event that has not ended yet."""
        return bytes(self._pending)


def as_utf_8(event: Event) -> Event:
    """The event with U+FFFD for what is no UTF-8, as the standard has clients read it. A client that
    decodes strictly would end at it."""
    # The hot path, an event for each token: nearly all are ASCII.
    if event.raw.isascii():
        return event
    try:
        event.raw.decode()
    except UnicodeDecodeError:
        return _event(event.raw.decode(errors="replace").encode())
    return event


def encode(name: str, data: bytes) -> bytes:
    """An event's bytes. Each line of `data` becomes a `data:` line."""
    lines = [b"event: " + name.encode()] if name else []
    lines += [b"data: " + line for line in data.split(b"\n")]
    return b"\n".join(lines) + b"\n\n"


def _end(wire: bytes | bytearray, at: int, searched: int, returns: bool) -> int:
    """Where the event that begins at `at` ends; 0 if it doesn't."""
    if returns:
        end = _BLANK.match(wire, at) or _END.search(wire, searched)
        return end.end() if end else 0
    # Without `\r` this gives the same result in a tenth of the time.
    if wire.startswith(b"\n", at):
        return at + 1
    place = wire.find(b"\n\n", searched)
    return 0 if place < 0 else place + 2


def _event(raw: bytes) -> Event:
    if raw.count(b"\n") + raw.count(b"\r") > _MOST_LINES:
        return Event("", b"", raw)
    name = b""
    data = []
    for line in raw.removeprefix(_ORDER_MARK).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return Event(name.decode(errors="replace"), b"\n".join(data), raw)
