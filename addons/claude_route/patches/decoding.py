"""Bounds what mitmproxy decodes for its viewers.

Replaces: `encoding.decode`.
Why: mitmproxy shows and searches bodies decoded, whole and without a limit: 30 KB of zstd make 1 GB, and
whoever looks at them, or searches with `~b`, has the proxy take it. It also decodes with whatever codec
Python has by a header's name: `content-encoding: bz2`, `charset=punycode`, which takes a time that grows
with the square of the length.
Remove when: mitmproxy has a limit there, and decodes only with the encodings of HTTP.
Upstream: docs/upstream/decoding.md
"""

from __future__ import annotations

import codecs
import functools
from collections.abc import Callable

from mitmproxy.net import encoding

from claude_route.wire import content_encoding

LIMIT = 64 * 1024 * 1024
"""Bytes of a body as people see it. A larger one is shown as it came."""

_OURS = ("gzip", "deflate", "deflateraw", "br", "zstd")
_SLOW = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined")


def install() -> Callable[[], None]:
    """For everything that is decoded from now on; the callable undoes it."""
    stock = encoding.decode

    @functools.wraps(stock)
    def decode(
        encoded: str | bytes | None, encoding: str, errors: str = "strict"
    ) -> str | bytes | None:
        name = encoding.lower()
        if name in _OURS and isinstance(encoded, bytes):
            try:
                return _decoded(encoded, name.removesuffix("raw"))
            except OverflowError as e:
                raise ValueError(str(e)) from e
        if name not in ("none", "identity") and not is_charset(name):
            raise ValueError(f"{name!r} is no encoding of text")
        return stock(encoded, encoding, errors)

    def uninstall() -> None:
        encoding.decode = stock
        _decoded.cache_clear()

    encoding.decode = decode  # type: ignore[assignment]
    return uninstall


@functools.lru_cache(1)  # as mitmproxy has it: one body is asked for several times in a row
def _decoded(encoded: bytes, name: str) -> bytes:
    return content_encoding.Decompressor(name, LIMIT).feed(encoded)


def is_charset(name: str) -> bool:
    """Whether Python has a codec of this name for text that takes linear time."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return codec._is_text_encoding and codec.name.replace("-", "_") not in _SLOW
