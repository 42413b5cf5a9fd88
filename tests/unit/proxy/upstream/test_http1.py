from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import pytest

from claude_route.proxy.upstream import http1
from tests.unit.proxy.upstream import servers

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class Transport(asyncio.Transport):
    """Takes all, does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.calls: list[str] = []

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def get_write_buffer_size(self) -> int:
        return 0


@dataclass
class Receiver:
    heads: list[http1.Response] = field(default_factory=list)
    body: bytes = b""
    trailers: http1.Fields | None = None
    error: str = ""

    def on_head(self, response: http1.Response) -> None:
        assert not self.heads
        assert not self.is_over
        self.heads.append(response)

    def on_data(self, data: bytes) -> None:
        assert data
        assert self.heads
        assert not self.is_over
        self.body += data

    def on_end(self, trailers: http1.Fields) -> None:
        assert self.heads
        assert not self.is_over
        self.trailers = trailers

    def on_failure(self, error: ConnectionError) -> None:
        assert not self.is_over
        self.error = str(error)

    @property
    def is_over(self) -> bool:
        return self.trailers is not None or bool(self.error)


def connection() -> http1.Connection:
    made = http1.Connection(memoryview(bytearray(http1.READ_SIZE)))
    made.connection_made(Transport())
    return made


def feed(made: http1.Connection, data: bytes) -> None:
    """As one read."""
    if not made.is_open:
        return
    made.get_buffer(-1)[: len(data)] = data
    made.buffer_updated(len(data))


def receive(
    *pieces: bytes, is_closed: bool = False, is_head: bool = False, max_head: int = 4096
) -> tuple[Receiver, http1.Connection]:
    receiver, made = Receiver(), connection()
    made.send(receiver, b"...", is_head=is_head, max_head=max_head)
    for piece in pieces:
        feed(made, piece)
    if is_closed:
        made.connection_lost(None)
    return receiver, made


def cuts(wire: bytes) -> list[tuple[bytes, ...]]:
    """Whole, byte by byte, and cut once at each place."""
    return [
        (wire,),
        tuple(wire[i : i + 1] for i in range(len(wire))),
        *((wire[:i], wire[i:]) for i in range(1, len(wire))),
    ]


# wire, body, whether the connection can be used again, trailers
WHOLE = {
    "length": (OK + b"content-length: 5\r\n\r\nhello", b"hello", True, []),
    "length-zero": (OK + b"content-length: 0\r\n\r\n", b"", True, []),
    "spaces-behind-a-length": (OK + b"content-length: 2 \t \r\n\r\nok", b"ok", True, []),
    "chunks": (CHUNKED + b"2\r\nhe\r\n3;name=value\r\nllo\r\n" + END, b"hello", True, []),
    "chunked-in-capitals": (OK + b"Transfer-Encoding: Chunked\r\n\r\n" + END, b"", True, []),
    "trailers": (
        CHUNKED + b"1\r\na\r\n0\r\nX-One: 1\r\nX-Two: \r\n\r\n",
        b"a",
        True,
        [(b"X-One", b"1"), (b"X-Two", b"")],
    ),
    "close": (OK + b"connection: close\r\ncontent-length: 1\r\n\r\na", b"a", False, []),
    "close-among-others": (
        OK + b"Connection: te, Close\r\ncontent-length: 1\r\n\r\na",
        b"a",
        False,
        [],
    ),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 199 Whatever\r\n\r\n" + OK + b"content-length: 1\r\n\r\na",
        b"a",
        True,
        [],
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True, []),
    "204-with-a-length": (b"HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", b"", True, []),
    "304": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b"", True, []),
    "304-chunked": (b"HTTP/1.1 304 No\r\ntransfer-encoding: chunked\r\n\r\n", b"", False, []),
    "http-1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", b"a", False, []),
    "http-1.0-kept": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na",
        b"a",
        True,
        [],
    ),
    "http-1.0-chunked": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n" + END,
        b"",
        False,
        [],
    ),
    "upgrade-that-is-none": (
        OK + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 1\r\n\r\na",
        b"a",
        True,
        [],
    ),
    "no-reason": (b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\na", b"a", True, []),
    "empty-line-first": (b"\r\n" + OK + b"content-length: 1\r\n\r\na", b"a", True, []),
}


@pytest.mark.parametrize(("wire", "body", "is_kept", "trailers"), WHOLE.values(), ids=WHOLE)
def test_whole_responses_however_they_are_cut(
    wire: bytes, body: bytes, is_kept: bool, trailers: list[tuple[bytes, bytes]]
) -> None:
    for pieces in cuts(wire):
        receiver, made = receive(*pieces)
        assert receiver.error == ""
        assert (receiver.body, receiver.trailers) == (body, trailers)
        assert made.is_reusable == is_kept
        assert made.received == len(wire)


def test_fields_keep_their_order_their_case_and_their_bytes() -> None:
    receiver, _ = receive(
        b"HTTP/1.1 207 M\xfcll t\r\nX-B: 1\r\nx-A:\r\nX-b:  two words\t\r\nSET-Cookie: \xe9=\xff\r\n\r\n"
    )
    assert receiver.heads == [
        http1.Response(
            b"HTTP/1.1",
            207,
            b"M\xfcll t",
            ((b"X-B", b"1"), (b"x-A", b""), (b"X-b", b"two words"), (b"SET-Cookie", b"\xe9=\xff")),
        )
    ]


def test_fields_of_interim_responses_are_not_those_of_the_response() -> None:
    receiver, _ = receive(b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK + b"a: b\r\n\r\n")
    assert [head.fields for head in receiver.heads] == [((b"a", b"b"),)]


@pytest.mark.parametrize(
    "head", [OK, b"HTTP/1.0 200 OK\r\n", OK + b"connection: keep-alive\r\n"], ids=repr
)
def test_a_body_without_a_length_ends_with_the_connection(head: bytes) -> None:
    for pieces in cuts(head + b"\r\nhello"):
        receiver, made = receive(*pieces)
        assert not receiver.is_over
        made.connection_lost(None)
        assert (receiver.body, receiver.trailers, receiver.error) == (b"hello", (), "")
        assert not made.is_reusable


def test_a_body_without_a_length_does_not_end_with_an_error() -> None:
    receiver, made = receive(OK + b"\r\nhel")
    made.connection_lost(ConnectionResetError())
    assert receiver.error == "the connection was lost in the middle of the response"


@pytest.mark.parametrize(
    ("wire", "is_kept"),
    [
        (OK + b"content-length: 5\r\n\r\n", True),
        (OK + b"\r\n", True),
        (OK + b"connection: close\r\n\r\n", False),
        (CHUNKED, False),
        (CHUNKED + b"0\r\nc:\r\n\r\n", False),
        (OK + b"content-length: 5\r\n\r\nhello", False),
        (OK + b"\r\nhello", False),
    ],
)
def test_a_response_to_head_has_no_body(wire: bytes, is_kept: bool) -> None:
    receiver, made = receive(wire, is_head=True)
    assert (receiver.body, receiver.trailers) == (b"", [])
    assert made.is_reusable == is_kept


# wire -> what is said of it
MALFORMED = {
    "not-http": (b"SSH-2.0-OpenSSH\r\n", "HTTP/"),
    "tls-alert": (b"\x15\x03\x01\0\x02\x02\x46", "HTTP/"),
    "icy": (b"ICY 200 OK\r\n\r\n", "HTTP/"),
    "http-2": (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0"),
    "http-0.9": (b"HTTP/0.9 200 OK\r\n\r\n", "HTTP/0.9"),
    "http-1.2": (b"HTTP/1.2 200 OK\r\n\r\n", "version"),
    "two-digits": (b"HTTP/1.1 20 OK\r\n\r\n", "status"),
    "four-digits": (b"HTTP/1.1 2000 OK\r\n\r\n", "status"),
    "status-000": (b"HTTP/1.1 000 OK\r\n\r\n", "status 0"),
    "status-099": (b"HTTP/1.1 099 Almost\r\ncontent-length: 2\r\n\r\nok", "status 99"),
    "bare-lf": (b"HTTP/1.1 200 OK\nA: b\n\n", "CR"),
    "bare-cr": (b"HTTP/1.1 200 OK\rA: b\r\n\r\n", "LF"),
    "folded-line": (OK + b"A: b\r\n c\r\n\r\n", "whitespace"),
    "space-before-colon": (OK + b"A : b\r\n\r\n", "token"),
    "no-colon": (OK + b"A b\r\n\r\n", "token"),
    "no-name": (OK + b": b\r\n\r\n", "token"),
    "nul": (OK + b"A: b\0c\r\n\r\n", "value"),
    "length-and-chunks": (
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "present",
    ),
    "chunks-and-length": (
        OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
        "present",
    ),
    "two-lengths": (OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", "Duplicate"),
    "one-length-twice": (OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\n", "Duplicate"),
    "list-of-lengths": (OK + b"content-length: 5, 5\r\n\r\n", "Content-Length"),
    "signed-length": (OK + b"content-length: +5\r\n\r\n", "Content-Length"),
    "negative-length": (OK + b"content-length: -5\r\n\r\n", "Content-Length"),
    "empty-length": (OK + b"content-length: \r\n\r\n", "Content-Length"),
    "huge-length": (OK + b"content-length: 99999999999999999999\r\n\r\n", "overflow"),
    "gzip": (OK + b"transfer-encoding: gzip\r\n\r\n", "transfer coding"),
    "gzip-and-chunks": (OK + b"transfer-encoding: gzip, chunked\r\n\r\n", "transfer coding"),
    "chunks-and-gzip": (OK + b"transfer-encoding: chunked, gzip\r\n\r\n", "transfer coding"),
    "chunked-twice": (
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "transfer coding",
    ),
    "identity": (OK + b"transfer-encoding: identity\r\n\r\n", "transfer coding"),
    "chunk-without-size": (CHUNKED + b"\r\n", "chunk size"),
    "chunk-size-in-words": (CHUNKED + b"zz\r\n", "chunk size"),
    "chunk-size-with-0x": (CHUNKED + b"0x1\r\na\r\n", "chunk size"),
    "chunk-too-long": (CHUNKED + b"1\r\nab\r\n", "chunk data"),
    "chunk-with-bare-lf": (CHUNKED + b"1\na\n", "CR"),
    "huge-chunk": (CHUNKED + b"fffffffffffffffff\r\n", "overflow"),
    "length-in-trailers": (CHUNKED + b"0\r\ncontent-length: 5\r\n\r\nhello", "present"),
    "another-protocol": (
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nabc",
        "another protocol",
    ),
    "interim-with-a-body": (b"HTTP/1.1 103 E\r\ncontent-length: 2\r\n\r\nok" + OK, "interim"),
}


@pytest.mark.parametrize(("wire", "why"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_responses_are_failures_however_they_are_cut(wire: bytes, why: str) -> None:
    for pieces in cuts(wire):
        receiver, made = receive(*pieces)
        assert receiver.error.startswith("malformed response: ")
        assert why in receiver.error
        assert receiver.trailers is None
        assert not made.is_open


def test_what_came_before_a_malformed_chunk_is_received() -> None:
    receiver, _ = receive(CHUNKED + b"2\r\nok\r\nzz")
    assert receiver.heads
    assert receiver.body == b"ok"
    assert receiver.error


@pytest.mark.parametrize(
    "wire",
    [OK + b"content-length: 2\r\n\r\nok", CHUNKED + b"2\r\nok\r\n" + END],
    ids=["length", "chunks"],
)
@pytest.mark.parametrize("surplus", [b"x", servers.OK, b"0\r\n\r\n", b"\0"])
def test_surplus_bytes_reach_nobody(wire: bytes, surplus: bytes) -> None:
    for pieces in cuts(wire + surplus):
        receiver, made = receive(*pieces)
        assert (receiver.body, receiver.error) == (b"ok", "")
        assert receiver.is_over
        if not made.is_open:
            continue  # they came after the end
        assert not made.is_reusable


def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    receiver, made = receive(servers.OK)
    assert made.is_reusable
    feed(made, b"HTTP/1.1 408 Timeout\r\n\r\n")
    assert not made.is_open
    assert len(receiver.heads) == 1


# each one is endless: what comes first, what is repeated
ENDLESS = {
    "reason": (b"HTTP/1.1 200 ", b"x" * 50),
    "fields": (OK, b"a: b\r\n"),
    "name": (OK, b"a" * 50),
    "value": (OK + b"a: ", b"b" * 50),
    "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "empty-lines": (b"", b"\r\n"),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\n", b"a: b\r\n"),
    "trailer": (CHUNKED + b"2\r\nok\r\n0\r\na: ", b"b" * 50),
    "chunk-extension": (CHUNKED + b"2\r\nok\r\n2;a=", b"b" * 50),
}


@pytest.mark.parametrize(("first", "again"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("at_once", [1, 40])
def test_nothing_is_endless(first: bytes, again: bytes, at_once: int) -> None:
    receiver, made = receive(first, max_head=1000)
    fed = 0
    while made.is_open and fed < 8000:
        feed(made, again * at_once)
        fed += len(again) * at_once
    assert "more than 1000 bytes" in receiver.error
    assert fed <= 1000 + len(again) * at_once
    assert receiver.body == (b"ok" if b"ok" in first else b"")


def test_a_long_body_is_no_head() -> None:
    receiver, _ = receive(OK + b"content-length: 5000\r\n\r\n" + b"x" * 5000, max_head=100)
    assert len(receiver.body) == 5000


def test_many_chunks_in_one_read_are_one_piece() -> None:
    receiver, made = Receiver(), connection()
    pieces: list[bytes] = []
    receiver.on_data = lambda data: pieces.append(data)  # type: ignore[method-assign]
    made.send(receiver)
    feed(made, CHUNKED + b"1\r\na\r\n1\r\nb\r\n")
    feed(made, b"1\r\nc\r\n" + END)
    assert pieces == [b"ab", b"c"]


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"", "closed without a response"),
        (b"HTTP/1.1 2", "in the middle of the response's headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of the response's headers"),
        (OK + b"content-length: 5\r\n\r\nhell", "in the middle of the response"),
        (CHUNKED + b"2\r\nok\r\n", "in the middle of the response"),
    ],
)
def test_a_connection_that_ends_too_early(wire: bytes, why: str) -> None:
    receiver, made = receive(*filter(None, [wire]), is_closed=True)
    assert receiver.error.endswith(why)
    assert not made.is_open


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5.0),
        (b"timeout=5, max=100", 5.0),
        (b"max=3,Timeout = 10", 10.0),
        (b"max=3", None),
        (b"nonsense", None),
        (b"timeout=-1", None),
    ],
)
def test_keep_alive_says_for_how_long(value: bytes, seconds: float | None) -> None:
    _, made = receive(OK + b"keep-alive: " + value + b"\r\ncontent-length: 0\r\n\r\n")
    assert made.keep_alive == seconds


def test_connections_can_carry_many_requests() -> None:
    made = connection()
    for number in range(3):
        receiver = Receiver()
        made.send(receiver, b"GET ", b"%d" % number)
        feed(made, OK + b"content-length: 1\r\n\r\n%d" % number)
        assert receiver.body == b"%d" % number
        assert made.is_reusable
    assert made.requests == 3


def test_who_closes_in_a_callback_hears_nothing_more() -> None:
    for callback in ("on_head", "on_data"):
        receiver, made = Receiver(), connection()
        setattr(receiver, callback, lambda *_, made=made: made.close())
        made.send(receiver)
        feed(made, servers.OK)
        assert not receiver.is_over
        assert not made.is_open


def test_closing_is_reported_once() -> None:
    closed: list[http1.Connection] = []
    made = http1.Connection(memoryview(bytearray(10)), closed.append)
    made.connection_made(Transport())
    made.close()
    made.close()
    made.connection_lost(None)
    assert closed == [made]


def test_requests_are_written_as_they_are() -> None:
    request = http1.Request(
        b"POST", b"/v1?a=%20", [(b"HOST", b"a"), (b"x-B", b""), (b"X-b", b"\xe9")]
    )
    assert request.encode() == b"POST /v1?a=%20 HTTP/1.1\r\nHOST: a\r\nx-B: \r\nX-b: \xe9\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        http1.Request(b"GET", b"/", [(b"a", b"b\r\nc: d")]),
        http1.Request(b"GET", b"/", [(b"a\n", b"b")]),
        http1.Request(b"GET", b"/", [(b"a", b"\0")]),
        http1.Request(b"GET", b"/ HTTP/1.1\r\n", []),
        http1.Request(b"GET", b"/a b", []),
        http1.Request(b"GET /", b"/", []),
        http1.Request(b"GET", b"", []),
    ],
)
def test_no_request_can_become_two(request_: http1.Request) -> None:
    with pytest.raises(ValueError, match="request"):
        request_.encode()


# Over real sockets


@contextlib.asynccontextmanager
async def connected(server: servers.Server) -> AsyncIterator[http1.Connection]:
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setblocking(False)
    made = http1.Connection(memoryview(bytearray(http1.READ_SIZE)))
    await asyncio.get_running_loop().create_connection(lambda: made, sock=sock)
    made.socket = sock
    yield made
    made.close()
    await asyncio.sleep(0)


async def test_quiet_is_a_connection_on_which_nothing_came() -> None:
    async with servers.serving(servers.silent) as server, connected(server) as made:
        await servers.until(lambda: server.peers)
        assert made.is_quiet
        made.pause()  # as an event loop that has not got to it yet
        server.peers[0].close()
        await servers.until(lambda: not made.is_quiet)
        assert made.is_open


async def test_quiet_is_no_connection_with_surplus_bytes() -> None:
    async with servers.serving(servers.silent) as server, connected(server) as made:
        await servers.until(lambda: server.peers)
        made.pause()
        await server.peers[0].send(b"x")
        await servers.until(lambda: not made.is_quiet)


async def test_drain_waits_for_a_slow_reader() -> None:
    async def script(peer: servers.Peer) -> None:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with servers.serving(script) as server, connected(server) as made:
        await servers.until(lambda: server.peers)
        made.send(Receiver())
        while not made._is_writing_paused:
            made.write(bytes(1_000_000))
        waiting = asyncio.ensure_future(made.drain())
        await asyncio.sleep(0)
        assert not waiting.done()
        made.close()
        await waiting


async def test_an_empty_part_is_not_written_for_ever() -> None:
    """asyncio keeps one that comes last in its buffer, without counting it, and spins."""
    async with servers.serving(servers.answering(servers.OK)) as server, connected(server) as made:
        made.send(Receiver(), servers.GET.encode(), b"")
        await servers.until(lambda: server.requests)
        assert not made.transport._buffer  # type: ignore[attr-defined]


def test_local_fields() -> None:
    request = http1.Request(b"GET", b"/", [(b"a", b"1")], [(b"b", b"2")])
    assert request.encode() == b"GET / HTTP/1.1\r\na: 1\r\n\r\n"
    assert request.with_local_fields().encode() == b"GET / HTTP/1.1\r\na: 1\r\nb: 2\r\n\r\n"
