"""Decodes content-encodings piece by piece, so that a streamed answer keeps streaming."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

PIECE = 1024
"""Bytes to decode at a time. The output may exceed its limit by what one piece expands to: at most
1 MiB in gzip, 32 MiB in zstd."""

MOST = 2
"""Encodings of one body. Each may expand what it gets a thousandfold, and nobody has a reason for more."""

LIMIT = 64 * 1024 * 1024
"""The most bytes that one decoder may make of what a stream brings at once. One KiB of brotli can expand
to 1 GiB."""

MEMBERS = 50_000
"""The most members of one body. Each has a decoder of its own, and may be empty."""

WINDOW = 8 * 1024 * 1024
"""The most bytes that a zstd decoder may look back, and allocate at once (RFC 9659, 3)."""

IDENTITY = "identity"
"""No encoding, whatever the number of times."""

GZIP = b"\x1f\x8b"
"""How gzip data begins."""

_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:[{\[<:]|data:|event:|id:|retry:)[\s\x21-\x7e]{12}")


def is_text(begun: bytes) -> bool:
    """Whether a body that begins so is JSON, a web page or an event stream, whatever encoding its header
    names: no encoded data has so many letters in a row at its beginning."""
    return _TEXT.match(begun) is not None


class Decompressor:
    """Decodes one `content-encoding` header. Encodings in a comma list were applied from left to
    right.

    Raises:
        ValueError: an unknown encoding; from feed() and finish(), invalid data.
    """

    def __init__(self, content_encoding: str | None, limit: int = LIMIT) -> None:
        """`limit` is the most bytes that one feed() may expand to, and that one decoder hands to the
        next meanwhile."""
        names = [name.strip().lower() for name in (content_encoding or "").split(",")]
        for name in filter(None, names):
            if name not in _DECODERS and name != IDENTITY:
                expected = ", ".join((*_DECODERS, IDENTITY))
                raise ValueError(f"content-encoding: expected {expected}, got {content_encoding!r}")
        names = [name for name in reversed(names) if name not in ("", IDENTITY)]
        if len(names) > MOST:
            raise ValueError(
                f"content-encoding: expected at most {MOST} encodings, got {len(names)}"
            )
        self._stages = [(name, _DECODERS[name]()) for name in names]
        self._limit = limit
        self._empty = True

    def feed(self, data: bytes) -> bytes:
        """The data that can be decoded so far and was not returned yet.

        Raises:
            OverflowError: it expands beyond the limit.
        """
        self._empty = self._empty and not data
        if not self._stages:
            return data
        return b"".join(self._through(self._stages, data))

    def _through(self, stages: Sequence[tuple[str, _Decoder]], data: bytes) -> Iterator[bytes]:
        (name, decoder), *following = stages
        size = 0
        for start in range(0, len(data), PIECE):
            try:
                decoded = decoder.feed(data[start : start + PIECE])
            except (zlib.error, brotli.error, zstandard.ZstdError) as e:
                raise ValueError(f"content-encoding: invalid {name} data") from e
            size += len(decoded)
            if size > self._limit:
                raise OverflowError(f"body: expected at most {self._limit} bytes, got more")
            if following:
                yield from self._through(following, decoded)
            else:
                yield decoded

    def finish(self) -> None:
        """Check that the data is complete. An empty body is complete in every encoding."""
        for name, decoder in self._stages:
            if not decoder.finished and not self._empty:
                raise ValueError(f"content-encoding: truncated {name} data")


def whole(data: bytes, content_encoding: str | None, limit: int) -> bytes:
    """Decode a whole body.

    Raises:
        ValueError: as Decompressor.
        OverflowError: it is longer than `limit` bytes, or was between two decoders.
    """
    decompressor = Decompressor(content_encoding, limit)
    decoded = decompressor.feed(data)
    if len(decoded) > limit:
        raise OverflowError(f"body: expected at most {limit} bytes, got more")
    decompressor.finish()
    return decoded


class _Decoder(Protocol):
    finished: bool

    def feed(self, data: bytes) -> bytes: ...


class _Member(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Members:
    """gzip and zstd: a sequence of members. Zeros after a member are padding."""

    finished = False

    def __init__(self, member: Callable[[], _Member]) -> None:
        self._new = member
        self._member = member()
        self._count = 1

    def feed(self, data: bytes) -> bytes:
        decoded = []
        while data:
            if self.finished:
                data = data.lstrip(b"\0")
                if not data:
                    break
                self._member = self._new()
                self._count += 1
                if self._count > MEMBERS:
                    raise ValueError(
                        f"content-encoding: expected at most {MEMBERS} members, got more"
                    )
            decoded.append(self._member.decompress(data))
            self.finished = self._member.eof
            data = self._member.unused_data if self.finished else b""
        return b"".join(decoded)


class _Deflate:
    """zlib data, as the RFC requires, or raw deflate data, which some servers send."""

    finished = False

    def __init__(self) -> None:
        self._head = b""
        self._decoder: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bytes:
        if self.finished:
            return b""  # zlib would copy all that follows the end, with each piece again
        if self._decoder is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
            # RFC 1950, 2.2: method 8, and the first two bytes are a multiple of 31.
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        decoded = self._decoder.decompress(data)
        self.finished = self._decoder.eof
        return decoded


class _Brotli:
    finished = False

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        if not data:
            return b""
        decoded: bytes = self._decoder.process(data, output_buffer_limit=LIMIT)
        if not self._decoder.can_accept_more_data():
            raise OverflowError(f"body: expected br data of at most {LIMIT} bytes, got more")
        self.finished = self._decoder.is_finished()
        return decoded


def _gzip() -> _Decoder:
    return _Members(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16))


class _Frame:
    """zstd checks the size that a frame claims to have only where it gets all of it at once. Here it never does,
    so that a body means the same however it is cut."""

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()
        self._has_begun = False

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, /) -> bytes:
        if self._has_begun:
            return self._decoder.decompress(data)
        self._has_begun = True
        return self._decoder.decompress(data[:1]) + self._decoder.decompress(data[1:])


def _zstd() -> _Decoder:
    return _Members(_Frame)


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _zstd,
}
