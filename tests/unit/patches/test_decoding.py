from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator

import pytest
import zstandard
from mitmproxy import http
from mitmproxy.net import encoding

from claude_route.patches import decoding


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    stock = encoding.decode
    undo = decoding.install()
    yield
    undo()
    assert encoding.decode is stock


def response(content: bytes, coding: str, kind: str = "text/plain") -> http.Response:
    made = http.Response.make(200, b"", {"content-type": kind})
    made.headers["content-encoding"] = coding
    made.raw_content = content
    return made


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress(b"text", mtime=0)),
        ("GZip", gzip.compress(b"text", mtime=0)),
        ("zstd", zstandard.compress(b"text")),
        ("deflate", zlib.compress(b"text")),
        ("deflateraw", zlib.compress(b"text")[2:-4]),
        ("br", encoding.encode(b"text", "br")),
        ("identity", b"text"),
        ("none", b"text"),
    ],
)
def test_what_it_decodes(coding: str, encoded: bytes) -> None:
    assert response(encoded, coding).content == b"text"


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("zstd", zstandard.compress(bytes(decoding.LIMIT + 1))),
        ("gzip", gzip.compress(bytes(decoding.LIMIT + 1), 1)),
        ("zstd, zstd", zstandard.compress(zstandard.compress(b"text"))),
        ("bz2", bz2.compress(b"text")),
        ("zip", zlib.compress(b"text")),
        ("hex", b"aaaa"),
        ("gzip", b"no gzip"),
        ("snappy", b"text"),
        ("\0", b"text"),
    ],
)
def test_what_it_does_not(coding: str, encoded: bytes) -> None:
    made = response(encoded, coding)
    with pytest.raises(ValueError, match=r".+"):
        made.content  # noqa: B018
    assert made.get_content(strict=False) == encoded


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "shift_jis", "ascii"])
def test_charsets(charset: str) -> None:
    made = response("text".encode(charset), "identity", f"text/plain; charset={charset}")
    assert made.get_text() == "text"


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "bz2", "rot13", "x"])
def test_slow_and_odd_charsets(charset: str) -> None:
    made = response(b"text", "identity", f"text/plain; charset={charset}")
    with pytest.raises(ValueError, match="no encoding of text"):
        made.get_text()
    assert made.get_text(strict=False) == "text"
