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


ANSWERS = [
    (b"+OK\r\n", b"OK"),
    (b":-7\r\n", -7),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"$0\r\n\r\n", b""),
    (b"$6\r\na\r\nb\r\n\r\n", b"a\r\nb\r\n"),
    (b"-ERR caf\xe9\r\n", resp.Refusal("ERR caf\ufffd")),
    (b"*0\r\n", []),
    (b"*2\r\n*2\r\n:1\r\n$1\r\nx\r\n-NO\r\n", [[1, b"x"], resp.Refusal("NO")]),
]


def test_answers_in_whatever_pieces_they_come() -> None:
    wire = b"".join(each for each, _ in ANSWERS)
    expected = [answer for _, answer in ANSWERS]
    assert resp.Reader().feed(wire) == expected
    for cut in range(len(wire) + 1):
        reader = resp.Reader()
        assert [*reader.feed(wire[:cut]), *reader.feed(wire[cut:])] == expected
    reader = resp.Reader()
    assert [answer for byte in wire for answer in reader.feed(bytes([byte]))] == expected


@pytest.mark.parametrize(
    "wire", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"%1\r\n", b"*\r\n", b"\r\n"]
)
def test_what_is_no_answer(wire: bytes) -> None:
    with pytest.raises(ConnectionError, match="expected an answer of RESP2"):
        resp.Reader().feed(wire)
