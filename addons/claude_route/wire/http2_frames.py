"""What the frames of an HTTP/2 connection cost, counted before anything parses them.

A frame has nine bytes of header (RFC 9113, section 4.1), and most kinds need no more: parsing one takes
some 30 µs, so that a megabyte of them holds everybody up for seconds. Bytes of a body cost nothing
here; flow control bounds those.
"""

from __future__ import annotations

import math

HEADER = 9
"""Bytes."""
PREFACE = 24
"""Bytes of a client's before its first frame (section 3.4)."""

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, CONTINUATION = 0, 1, 3, 4, 5, 9
PADDED = 0x8

BURST = 1000
"""What may be spent at once: some 30 ms of work."""
RATE = 100.0
"""What may be spent each second besides, whatever goes the other way."""

STREAM = 5
"""A stream that begins, or is reset: what it makes others do costs more than the frame."""
SMALL = 64
"""A client's DATA frame with fewer bytes costs as much as one that carries nothing."""

EARNED_BY_DATA = 2
"""Who gets data may say twice that there is room for more: for the stream and for the connection."""
EARNED_BY_END = 12
"""A request and a response, with a reset after it and whatever is said in between."""

MAX_HEADERS = 64 * 1024
"""Bytes of one field section as it comes, compressed. hpack's own limit is for what it expands to, and
a Huffman code is decoded before that is known."""


class Frames:
    """One direction of a connection."""

    def __init__(self, *, from_client: bool, preface: int = 0, burst: float = BURST) -> None:
        """`preface` bytes come before the first frame."""
        self._from_client = from_client
        self._burst = self._left = burst
        self._rate = burst * RATE / BURST
        self._at = -math.inf
        self._ahead = preface
        """Bytes to come before the next frame begins."""
        self._begun = b""
        """The beginning of a frame's header."""
        self._fields = 0
        """Bytes of the current field section."""

    def earn(self, size: int, *, is_end: bool) -> None:
        """This much data, or a message's end, went the other way."""
        earned = EARNED_BY_END if is_end else 0
        # A peer that opens its windows byte by byte earns nothing with them.
        if size >= SMALL:
            earned += EARNED_BY_DATA
        self._left = min(self._burst, self._left + earned)

    def feed(self, data: bytes, now: float) -> str:
        """Counts what came at `now`, in seconds of a clock that never goes back. Returns the limit that it
        goes beyond, `http2_frames` or `http2_headers`; "" for none."""
        if self._at < now:
            if self._at > -math.inf:
                self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
        data, self._begun = self._begun + data, b""
        place, size, left = self._ahead, len(data), self._left
        while place + HEADER <= size:
            length = data[place] << 16 | data[place + 1] << 8 | data[place + 2]
            kind = data[place + 3]
            if kind == DATA:
                is_small = self._from_client and length < SMALL
                left -= is_small or not length or bool(data[place + 4] & PADDED)
            elif kind in (HEADERS, PUSH_PROMISE):
                left -= STREAM
                self._fields = length
            elif kind == CONTINUATION:
                left -= 1
                self._fields += length
            elif kind == RST_STREAM:
                left -= STREAM
            elif kind == SETTINGS:
                left -= 1 + length // 6
            else:
                left -= 1
            if left < 0:
                return "http2_frames"
            if self._fields > MAX_HEADERS:
                return "http2_headers"
            place += HEADER + length
        self._left = left
        self._ahead = max(0, place - size)
        if place < size:
            self._begun = data[place:]
        return ""
