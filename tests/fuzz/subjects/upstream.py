"""What comes over a connection to a provider: a response, or a failure, and the same one wherever the bytes
are cut. An input is those bytes."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from claude_route.proxy.upstream import http1
from tests.fuzz import surroundings
from tests.unit.proxy.upstream import test_http1

MOST = 1024 * 1024
"""Bytes of a head: more than an input has. What is too much is judged once in a read."""


class Got(NamedTuple):
    heads: list[http1.Response]
    body: bytes
    trailers: list[tuple[bytes, bytes]] | None
    has_failed: bool


def check(data: bytes) -> None:
    seed = zlib.crc32(data)
    for is_closed in (False, True):
        for is_head in (False, True):
            whole = get([data], is_closed=is_closed, is_head=is_head)
            pieces = surroundings.cut(data, [1 + seed % 7, 1 + seed // 7 % 50])
            assert get(pieces, is_closed=is_closed, is_head=is_head) == whole
            for name, value in (field for head in whole.heads for field in head.fields):
                assert not {*b"\r\n\0"} & {*name, *value}


def get(pieces: list[bytes], *, is_closed: bool, is_head: bool) -> Got:
    receiver, _ = test_http1.receive(*pieces, is_closed=is_closed, is_head=is_head, max_head=MOST)
    if is_closed:
        assert receiver.is_over
    return Got(
        receiver.heads,
        receiver.body,
        None if receiver.trailers is None else list(receiver.trailers),
        bool(receiver.error),
    )
