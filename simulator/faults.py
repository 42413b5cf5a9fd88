"""How an answer is sent: its pace, its framing, and its faults."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from typing import NamedTuple
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

Before = Literal["reset", "close", "silence"]
End = Literal["clean", "close", "reset", "hang"]
Framing = Literal["auto", "chunked", "length", "close"]
Encoding = Literal["gzip", "deflate", "raw-deflate", "br", "zstd"]
Noise = Literal["comment", "ping", "unknown", "openrouter", "no-choices"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The wire side of an answer. Untouched, it is a well-formed answer at full speed.

    An "event" is one server-sent event with its blank line, noise included; a JSON body counts as
    a single event.
    """

    before_head: Before | None = None
    """Instead of headers: reset the connection, close it, or accept and never answer."""
    head_delay: float = 0.0
    """Seconds before the headers."""
    event_delay: float = 0.0
    """Seconds before each event."""
    noise: tuple[Noise, ...] = ()
    """A comment, ping or unknown event before every event, these in turn; for Chat Completions
    OpenRouter's comment, or a chunk without choices."""
    drop: tuple[str, ...] = ()
    """Names of events that are never sent, such as `message_stop`. Chunks of Chat Completions are
    named `chunk`, `finish`, `usage` and `[DONE]`."""
    cut_events: int | None = None
    """Stop after this many whole events."""
    cut_bytes: int = 0
    """… and this many bytes of the next."""
    cut_character: bool = False
    """… or in the middle of the next multi-byte character (HTTP/2 and JSON bodies too)."""
    end: End = "clean"
    """How the answer ends, cut or not: as HTTP says, by closing without that (FIN), by a reset
    (RST), or not at all."""
    crlf: bool = False
    """Lines of a stream end in \\r\\n."""
    encoding: Encoding | None = None
    """Compressed so, whatever `accept-encoding` asked for."""
    chunk_size: int = 0
    """Written in pieces of this many bytes; larger than an event, it joins events that no delay
    keeps apart. 0: a piece is an event."""
    framing: Framing = "auto"
    """HTTP/1: auto is chunked for a stream and content-length for JSON."""


class Piece(NamedTuple):
    delay: float
    data: bytes


class Plan(NamedTuple):
    """One answer, ready for a connection to carry out."""

    status: int
    headers: Sequence[tuple[str, str]]
    pieces: Sequence[Piece]
    delivery: Delivery
    length: int
    """What a content-length says."""


class Event(NamedTuple):
    name: str
    wire: bytes


class Compressor(Protocol):
    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


NOISE: dict[Noise, bytes] = {
    "comment": b": keep-alive\n\n",
    "ping": b'event: ping\ndata: {"type": "ping"}\n\n',
    "openrouter": b": OPENROUTER PROCESSING\n\n",
    "no-choices": b'data: {"id":"","object":"chat.completion.chunk","choices":[]}\n\n',
    "unknown": b'event: weather\ndata: {"type":"weather","sky":"clear"}\n\n',
}


class _Zlib:
    def __init__(self, window: int) -> None:
        self._compressor = zlib.compressobj(wbits=window)

    def feed(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=4)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data) + self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _Zstd:
    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor().compressobj()

    def feed(self, data: bytes) -> bytes:
        head = self._compressor.compress(data)
        return head + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


def compressor(encoding: Encoding) -> Compressor:
    match encoding:
        case "gzip":
            return _Zlib(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
        case "raw-deflate":
            return _Zlib(-zlib.MAX_WBITS)
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstd()


def plan(
    status: int, headers: Sequence[tuple[str, str]], events: Iterable[Event], delivery: Delivery
) -> Plan:
    """Apply `delivery` to a stream's events, or to a body given as one event without a name."""
    wires, whole = _cut(_dressed(events, delivery), delivery)
    pieces = [Piece(delivery.event_delay, wire) for wire in _encoded(wires, whole, delivery)]
    length = sum(len(piece.data) for piece in pieces)
    if delivery.end != "clean":
        # A content-length that is reached would make the end a clean one.
        length += 100
    if delivery.encoding:
        name = delivery.encoding.removeprefix("raw-")
        headers = [*headers, ("content-encoding", name)]
    if delivery.chunk_size:
        pieces = list(_sliced(pieces, delivery.chunk_size))
    return Plan(status, headers, pieces, delivery, length)


def _dressed(events: Iterable[Event], delivery: Delivery) -> Iterator[bytes]:
    count = 0
    for event in events:
        if event.name in delivery.drop:
            continue
        wires = [event.wire]
        if event.name and delivery.noise:
            wires.insert(0, NOISE[delivery.noise[count % len(delivery.noise)]])
            count += 1
        for wire in wires:
            yield wire.replace(b"\n", b"\r\n") if event.name and delivery.crlf else wire


def _cut(wires: Iterable[bytes], delivery: Delivery) -> tuple[list[bytes], bool]:
    """The events to send, and whether those are all of them."""
    wires = list(wires)
    count = delivery.cut_events
    if count is None and not delivery.cut_character:
        return wires, True
    count = count or 0
    if delivery.cut_character:
        for number, wire in enumerate(wires[count:], count):
            if not wire.isascii():
                middle = next(place for place, byte in enumerate(wire) if byte > 0x7F) + 1
                return [*wires[:number], wire[:middle]], False
        raise ValueError(f"cut_character: expected a multi-byte character after {count} events")
    rest = wires[count][: delivery.cut_bytes] if count < len(wires) else b""
    return [*wires[:count], *([rest] if rest else [])], count >= len(wires)


def _encoded(wires: Sequence[bytes], whole: bool, delivery: Delivery) -> Iterator[bytes]:
    if delivery.encoding is None:
        yield from wires
        return
    encoder = compressor(delivery.encoding)
    for number, wire in enumerate(wires, 1):
        data = encoder.feed(wire)
        yield data + encoder.finish() if whole and number == len(wires) else data


def _sliced(pieces: Sequence[Piece], size: int) -> Iterator[Piece]:
    if not any(piece.delay for piece in pieces):
        pieces = [Piece(0.0, b"".join(piece.data for piece in pieces))]
    for delay, data in pieces:
        for start in range(0, len(data), size):
            yield Piece(delay if start == 0 else 0.0, data[start : start + size])
