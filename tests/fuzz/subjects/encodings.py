"""Content encodings: a body decodes to the same bytes however it comes, or is refused.

An input is a `content-encoding` header, on one line; below it, the encoded body.
"""

from __future__ import annotations

from claude_route.wire import content_encoding

LIMIT = 1024 * 1024


def check(data: bytes) -> None:
    first, _, body = data.partition(b"\n")
    header = first.decode("latin-1")
    try:
        whole = content_encoding.whole(body, header, LIMIT)
    except (ValueError, OverflowError):
        whole = None
    decoded = bytearray()
    try:
        decompressor = content_encoding.Decompressor(header)
        for at in range(len(body)):
            decoded += decompressor.feed(body[at : at + 1])
            if len(decoded) > LIMIT:
                assert whole is None
                return
        decompressor.finish()
    except (ValueError, OverflowError):
        assert whole is None, "refused in pieces"
        return
    assert bytes(decoded) == whole
