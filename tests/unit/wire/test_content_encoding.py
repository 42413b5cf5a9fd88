from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from claude_route.wire import content_encoding

TEXT = "".join(f"event: ping\ndata: {i} é\n\n" for i in range(40)).encode()


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


ENCODED = [
    pytest.param(None, TEXT, id="none"),
    pytest.param("", TEXT, id="empty"),
    pytest.param("identity", TEXT, id="identity"),
    pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
    pytest.param("x-gzip", gzip.compress(TEXT), id="x-gzip"),
    pytest.param("GZip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]), id="two members"),
    pytest.param("gzip", gzip.compress(TEXT) + b"\0" * 5, id="gzip, padded"),
    pytest.param("deflate", zlib.compress(TEXT), id="deflate"),
    pytest.param("deflate", raw_deflate(TEXT), id="raw deflate"),
    pytest.param("br", brotli.compress(TEXT), id="br"),
    pytest.param("zstd", zstandard.compress(TEXT), id="zstd"),
    pytest.param(
        "zstd", zstandard.compress(TEXT[:99]) + zstandard.compress(TEXT[99:]), id="two frames"
    ),
    pytest.param("gzip, br", brotli.compress(gzip.compress(TEXT)), id="list"),
    pytest.param(" zstd ,,identity,deflate", zlib.compress(zstandard.compress(TEXT)), id="list 2"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("encoding, encoded", ENCODED)
def test_every_chunk_size(encoding: str | None, encoded: bytes, size: int) -> None:
    decompressor = content_encoding.Decompressor(encoding)
    decoded = b""
    for start in range(0, len(encoded), size):
        decoded += decompressor.feed(b"") + decompressor.feed(encoded[start : start + size])
    decompressor.finish()
    assert decoded == TEXT
    assert content_encoding.whole(encoded, encoding, len(TEXT)) == TEXT


def test_what_was_flushed_is_not_held_back() -> None:
    gzip_encoder = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    br_encoder = brotli.Compressor()
    zstd_encoder = zstandard.ZstdCompressor().compressobj()
    flushed = {
        "gzip": gzip_encoder.compress(TEXT) + gzip_encoder.flush(zlib.Z_SYNC_FLUSH),
        "br": br_encoder.process(TEXT) + br_encoder.flush(),
        "zstd": zstd_encoder.compress(TEXT) + zstd_encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
    }
    for encoding, encoded in flushed.items():
        assert content_encoding.Decompressor(encoding).feed(encoded) == TEXT, encoding


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_data_in_another_encoding(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"content-encoding: invalid .* data"):
        content_encoding.Decompressor(encoding).feed(
            b"event: ping and more of it, in plain text" * 20
        )


@pytest.mark.parametrize("encoding, encoded", [p for p in ENCODED if p.values[1] != TEXT])
def test_cut_short(encoding: str, encoded: bytes) -> None:
    encoded = encoded.rstrip(b"\0")
    decompressor = content_encoding.Decompressor(encoding)
    decompressor.feed(encoded[:-1])
    with pytest.raises(ValueError, match=r"content-encoding: truncated .* data"):
        decompressor.finish()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity"])
def test_no_body_at_all(encoding: str) -> None:
    decompressor = content_encoding.Decompressor(encoding)
    assert decompressor.feed(b"") == b""
    decompressor.finish()


@pytest.mark.parametrize("encoding", ["compress", "gzip, snappy", "deflateraw"])
def test_unknown(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"content-encoding: expected gzip, .*, got '"):
        content_encoding.Decompressor(encoding)


def brotli_of_zeros(megabytes: int) -> bytes:
    encoder = brotli.Compressor(quality=5)
    pieces: list[bytes] = [encoder.process(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join([*pieces, encoder.finish()])


@pytest.mark.parametrize(
    "encoding, encoded",
    [
        pytest.param("gzip", gzip.compress(bytes(10 << 20), 1), id="gzip"),
        pytest.param("zstd", zstandard.compress(bytes(40 << 20)), id="zstd"),
        pytest.param("br", brotli_of_zeros(80), id="br"),
        pytest.param("identity", TEXT, id="identity"),
    ],
)
def test_decompression_bomb(encoding: str, encoded: bytes) -> None:
    with pytest.raises((OverflowError, ValueError), match=r"body: expected .*, got more"):
        content_encoding.whole(encoded, encoding, 500)


@pytest.mark.parametrize(
    ("begun", "is_text"),
    [
        (b'{"type":"message","id":"x"}', True),
        (b'\n\n [ {"error": {"message": "x"}} ]', True),
        (b"\xef\xbb\xbfdata: {}\n\ndata: {}\n\n", True),
        (b"<!DOCTYPE html><html>", True),
        (b": comment\n\n: comment\n\n", True),
        (b'{"type"', False),  # too little to tell
        (gzip.compress(b'{"type":"message"}', mtime=0), False),
        (brotli.compress(b'{"type":"message","id":"x"}' * 9), False),
        (brotli.compress(b'{"type":"message","id":"x"}', quality=0), False),
        (zstandard.compress(b'{"type":"message","id":"x"}'), False),
        (zlib.compress(b'{"type":"message","id":"x"}', 0), False),
        (raw_deflate(b'{"type":"message","id":"x"}'), False),
        (b"", False),
    ],
)
def test_is_text(begun: bytes, is_text: bool) -> None:
    assert content_encoding.is_text(begun) is is_text


@pytest.mark.parametrize(
    ("encoding", "layers"),
    [("zstd, zstd", "zz"), ("gzip, zstd", "gz"), ("zstd, gzip", "zg"), ("zstd, br", "zb")],
)
def test_no_decoder_gets_more_than_the_limit(encoding: str, layers: str) -> None:
    """What the first one makes of a few bytes is cut before the second gets it."""
    encoders: dict[str, Callable[[bytes], bytes]] = {
        "z": zstandard.compress,
        "g": lambda data: gzip.compress(data, 1),
        "b": lambda data: brotli.compress(data, quality=3),
    }
    data = bytes(20 << 20)
    for layer in layers:
        data = encoders[layer](data)
    with pytest.raises(OverflowError, match="body: expected at most 1000 bytes, got more"):
        content_encoding.whole(data, encoding, 1000)
    assert len(content_encoding.whole(data, encoding, 20 << 20)) == 20 << 20


def test_the_limit_holds_between_two_decoders() -> None:
    """The first makes 40 MB, of which the second makes nothing at all."""
    empty_frames = zstandard.compress(zstandard.compress(b"") * 20_000 + bytes(40 << 20))
    with pytest.raises(OverflowError, match="body: expected at most"):
        content_encoding.whole(empty_frames, "zstd, zstd", 1 << 20)


@pytest.mark.parametrize("encoding", ["gzip, gzip, gzip", "br,zstd,gzip", "identity, gzip, br, br"])
def test_more_than_two_encodings(encoding: str) -> None:
    with pytest.raises(ValueError, match="content-encoding: expected at most 2 encodings, got 3"):
        content_encoding.Decompressor(encoding)


@pytest.mark.parametrize(
    ("encoding", "member"),
    [("gzip", gzip.compress(b"", mtime=0)), ("zstd", zstandard.compress(b""))],
)
def test_many_members(encoding: str, member: bytes) -> None:
    assert content_encoding.whole(member * content_encoding.MEMBERS, encoding, 1) == b""
    with pytest.raises(ValueError, match="expected at most 50000 members, got more"):
        content_encoding.whole(member * (content_encoding.MEMBERS + 1), encoding, 1)


def test_what_follows_deflate_data_is_dropped() -> None:
    """zlib itself would copy all of it with each piece: a minute for these."""
    data = zlib.compress(TEXT) + bytes(16 << 20)
    assert content_encoding.whole(data, "deflate", len(TEXT)) == TEXT


def test_a_window_that_is_too_large() -> None:
    encoder = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=24)
    ).compressobj()
    data = encoder.compress(TEXT) + encoder.flush()
    with pytest.raises(ValueError, match="content-encoding: invalid zstd data"):
        content_encoding.whole(data, "zstd", len(TEXT))


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9])
def test_a_frame_means_the_same_however_it_is_cut(size: int) -> None:
    """It claims to have 93 bytes, and has none."""
    frame = bytes.fromhex("28b52ffd205d010000")
    decompressor = content_encoding.Decompressor("zstd")
    pieces = [decompressor.feed(frame[at : at + size]) for at in range(0, len(frame), size)]
    decompressor.finish()
    assert b"".join(pieces) == content_encoding.whole(frame, "zstd", 100) == b""
