from __future__ import annotations

import pytest
from redis.asyncio import connection

from claude_route.store import resp
from tests import redis_server


@pytest.mark.parametrize(
    ("commands", "wire"),
    [
        ([], b""),
        ([("PING",)], b"*1\r\n$4\r\nPING\r\n"),
        (
            [("SET", "é", b"\x00\r\n"), ("GET", "")],
            b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$3\r\n\x00\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
        ),
        (
            [("ZADD", "k", 1800014400.25, 7)],
            b"*4\r\n$4\r\nZADD\r\n$1\r\nk\r\n$13\r\n1800014400.25\r\n$1\r\n7\r\n",
        ),
    ],
)
def test_packed(commands: list[resp.Command], wire: bytes) -> None:
    assert resp.packed(commands) == wire
    library = connection.Connection(protocol=2)
    assert b"".join(library.pack_commands(commands)) == wire


def test_redis_reads_it(redis: redis_server.Redis) -> None:
    commands = [("SET", "k", b"a\r\nb"), ("STRLEN", "k")]
    assert redis.ask(resp.packed(commands).decode()).startswith(b"+OK\r\n:4\r\n")
