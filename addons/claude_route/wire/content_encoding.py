"""Decodes content-encodings piece by piece, so that a streamed answer keeps streaming."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

PIECE = 1024
"""Bytes to decode at a time where the output has a limit. It may exceed the limit by what one piece
expands to: at most 1 MiB in gzip, 32 MiB in zstd."""

# In brotli 1 KiB can expand to 1 GiB, so that decoder has a limit of its own.
_BROTLI_BURST = 64 * 1024 * 1024


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

    def __init__(self, content_encoding: str | None) -> None:
        names = [name.strip().lower() for name in (content_encoding or "").split(",")]
        for name in filter(None, names):
            if name not in _DECODERS:
                raise ValueError(
                    f"content-encoding: expected {', '.join(_DECODERS)}, got {content_encoding!r}"
                )
        self._stages = [(name, _DECODERS[name]()) for name in reversed(names) if name]
        self._empty = True

    def feed(self, data: bytes) -> bytes:
        """The data that can be decoded so far and was not returned yet."""
        self._empty = self._empty and not data
        for name, decoder in self._stages:
            try:
                data = decoder.feed(data)
            except (zlib.error, brotli.error, zstandard.ZstdError) as e:
                raise ValueError(f"content-encoding: invalid {name} data") from e
        return data

    def finish(self) -> None:
        """Check that the data is complete. An empty body is complete in every encoding."""
        for name, decoder in self._stages:
            if not decoder.finished and not self._empty:
                raise ValueError(f"content-encoding: truncated {name} data")


def whole(data: bytes, content_encoding: str | None, limit: int) -> bytes:
    """Decode a whole body.

    Raises:
        ValueError: as Decompressor.
        OverflowError: it is longer than `limit` bytes.
    """
    decompressor = Decompressor(content_encoding)
    decoded = bytearray()
    for start in range(0, len(data), PIECE):
        decoded += decompressor.feed(data[start : start + PIECE])
        if len(decoded) > limit:
            raise OverflowError(f"body: expected at most {limit} bytes, got more")
    decompressor.finish()
    return bytes(decoded)


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

    def feed(self, data: bytes) -> bytes:
        decoded = []
        while data:
            if self.finished:
                data = data.lstrip(b"\0")
                if not data:
                    break
                self._member = self._new()
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
        decoded: bytes = self._decoder.process(data, output_buffer_limit=_BROTLI_BURST)
        if not self._decoder.can_accept_more_data():
            raise ValueError(f"body: br data expands to more than {_BROTLI_BURST} bytes per piece")
        self.finished = self._decoder.is_finished()
        return decoded


class _Identity:
    finished = True

    def feed(self, data: bytes) -> bytes:
        return data


def _gzip() -> _Decoder:
    return _Members(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16))


def _zstd() -> _Decoder:
    return _Members(zstandard.ZstdDecompressor().decompressobj)


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _zstd,
    "identity": _Identity,
}
