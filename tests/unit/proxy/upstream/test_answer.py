from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from asyncio import selector_events
from collections.abc import AsyncIterator
from collections.abc import Callable

import pytest

from claude_route.proxy.upstream import answer
from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from tests import clocks
from tests.unit.proxy.upstream import servers

GET = servers.GET
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def post(length: int) -> http1.Request:
    return http1.Request(b"POST", b"/", [(b"content-length", b"%d" % length)])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Steps:
    """A server that answers each request by what the test sends."""

    def __init__(self) -> None:
        self.peer: servers.Peer | None = None

    async def __call__(self, peer: servers.Peer) -> None:
        while True:
            await peer.request()
            self.peer = peer
            await asyncio.sleep(0)

    async def asked(self) -> servers.Peer:
        await servers.until(lambda: self.peer)
        assert self.peer
        peer, self.peer = self.peer, None
        return peer


@pytest.fixture
async def steps() -> Steps:
    return Steps()


@pytest.fixture
async def server(steps: Steps) -> AsyncIterator[servers.Server]:
    async with servers.serving(steps) as running:
        yield running


async def waiting[T](awaitable: asyncio.Future[T]) -> asyncio.Future[T]:
    """Gets a task as far as it comes."""
    for _ in range(3):
        await asyncio.sleep(0)
    return awaitable


async def test_a_whole_answer(upstream: client.Client) -> None:
    wire = STREAM + chunk(b"hello ") + chunk(b"world") + b"0\r\nX-Sum: 5\r\n\r\n"
    async with (
        servers.serving(servers.answering(wire)) as server,
        upstream.request(server.destination, GET) as got,
    ):
        response = await got.head()
        assert (response.status, response.reason) == (200, b"OK")
        assert not got.is_exhausted
        assert await got.read() == b"hello world"
        assert got.is_exhausted
        assert await got.next() is None
        assert got.trailers == [(b"X-Sum", b"5")]
        assert got.is_over
    assert server.requests == [GET.encode()]


@pytest.mark.parametrize("cut", range(1, len(STREAM + chunk(b"hello") + b"0\r\n\r\n")))
async def test_an_answer_cut_anywhere(upstream: client.Client, cut: int) -> None:
    wire = STREAM + chunk(b"hello") + b"0\r\n\r\n"

    async def script(peer: servers.Peer) -> None:
        await peer.request()
        await peer.send(wire[:cut])
        await asyncio.sleep(0)
        await peer.send(wire[cut:])
        await peer.gone()

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, GET) as got,
    ):
        assert await got.read() == b"hello"


async def test_events_come_one_by_one(
    upstream: client.Client, server: servers.Server, steps: Steps
) -> None:
    async with upstream.request(server.destination, GET) as got:
        peer = await steps.asked()
        await peer.send(STREAM)
        await got.head()
        for event in (b"one", b"two"):
            await peer.send(chunk(event))
            assert await got.next() == event
        await peer.send(b"0\r\n\r\n")
        assert await got.next() is None
    assert (upstream.open, upstream.idle) == (1, 1)


async def test_direct_takes_events_without_a_task_s_turn(
    upstream: client.Client, server: servers.Server, steps: Steps
) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        if data == b"not this":
            return False
        taken.append(data)
        return True

    async with upstream.request(server.destination, GET) as got:
        peer = await steps.asked()
        await peer.send(STREAM + chunk(b"before"))
        await got.head()
        got.direct = take
        assert await got.next() == b"before"
        following = asyncio.ensure_future(got.next())
        await waiting(following)
        await peer.send(chunk(b"one"))
        await servers.until(lambda: taken)
        await peer.send(chunk(b"two"))
        await servers.until(lambda: len(taken) == 2)
        await peer.send(chunk(b"not this"))
        assert await following == b"not this"
        following = asyncio.ensure_future(got.next())
        await waiting(following)
        got.wake()
        assert await following == b""
        await peer.send(b"0\r\n\r\n")
        assert await got.next() is None
    assert taken == [b"one", b"two"]


async def test_what_direct_raises_next_raises(
    upstream: client.Client, server: servers.Server, steps: Steps
) -> None:
    def take(data: bytes) -> bool:
        raise ZeroDivisionError

    async with upstream.request(server.destination, GET) as got:
        peer = await steps.asked()
        await peer.send(STREAM)
        await got.head()
        got.direct = take
        following = asyncio.ensure_future(got.next())
        await waiting(following)
        await peer.send(chunk(b"one"))
        with pytest.raises(ZeroDivisionError):
            await following
    assert upstream.open == 0


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"", "closed without a response"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "in the middle of the response's headers"),
        (b"nonsense\r\n\r\n", "malformed response"),
    ],
)
async def test_no_answer(upstream: client.Client, wire: bytes, why: str) -> None:
    async def script(peer: servers.Peer) -> None:
        await peer.request()
        await peer.send(wire)

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, GET) as got,
    ):
        for _ in range(2):  # it stays so
            with pytest.raises(ConnectionError, match=why):
                await got.head()
        assert len(server.requests) == 1
    assert upstream.open == 0


async def test_an_answer_that_breaks_off_is_given_as_far_as_it_came(
    upstream: client.Client,
) -> None:
    async def script(peer: servers.Peer) -> None:
        await peer.request()
        await peer.send(STREAM, chunk(b"one"))

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, GET) as got,
    ):
        await servers.until(lambda: server.closed and upstream.open == 0)
        assert await got.next() == b"one"
        with pytest.raises(ConnectionError, match="in the middle of the response"):
            await got.next()


async def test_a_body_that_is_too_large(upstream: client.Client) -> None:
    wire = STREAM + chunk(b"x" * 100) + chunk(b"y")
    limits = answer.Limits(body_size=100)
    async with (
        servers.serving(servers.answering(wire)) as server,
        upstream.request(server.destination, GET, limits=limits) as got,
    ):
        with pytest.raises(ConnectionError, match="more than 100 bytes of body"):
            await got.read()
    assert upstream.open == 0


async def test_headers_that_are_too_large(upstream: client.Client) -> None:
    wire = b"HTTP/1.1 200 OK\r\na: " + b"b" * 200 + b"\r\n\r\n"
    limits = answer.Limits(head_size=100)
    async with (
        servers.serving(servers.answering(wire)) as server,
        upstream.request(server.destination, GET, limits=limits) as got,
    ):
        with pytest.raises(ConnectionError, match="more than 100 bytes of headers"):
            await got.head()


# Limits of time


async def test_a_silent_upstream(
    upstream: client.Client, server: servers.Server, steps: Steps, time: clocks.Timers
) -> None:
    limits = answer.Limits(first_byte=120, idle=300)
    async with upstream.request(server.destination, GET, limits=limits) as got:
        peer = await steps.asked()
        head = asyncio.ensure_future(got.head())
        time.advance(119)
        await waiting(head)
        assert not head.done()
        time.advance(1)
        with pytest.raises(TimeoutError, match="silent for 120 s"):
            await head
        await servers.until(lambda: peer.reader.at_eof())


async def test_a_stream_that_falls_silent(
    upstream: client.Client, server: servers.Server, steps: Steps, time: clocks.Timers
) -> None:
    limits = answer.Limits(first_byte=120, idle=300)
    async with upstream.request(server.destination, GET, limits=limits) as got:
        peer = await steps.asked()
        time.advance(100)
        await peer.send(STREAM)
        await got.head()
        for _ in range(3):
            time.advance(299)
            await peer.send(chunk(b"event"))
            assert await got.next() == b"event"
        got.limit(5)
        time.advance(4.9)
        assert got.opened
        assert got.opened.connection.is_open
        time.advance(0.1)
        with pytest.raises(TimeoutError, match="silent for 5 s"):
            await got.next()


async def test_an_answer_that_never_ends(
    upstream: client.Client, server: servers.Server, steps: Steps, time: clocks.Timers
) -> None:
    limits = answer.Limits(idle=5, total=12)
    async with upstream.request(server.destination, GET, limits=limits) as got:
        peer = await steps.asked()
        await peer.send(STREAM)
        for _ in range(3):
            await peer.send(chunk(b"ping"))
            assert await got.next() == b"ping"
            time.advance(4)
        with pytest.raises(answer.OverdueError, match="no end after 12 s"):
            await got.next()


async def test_an_answer_that_ends_in_time(
    upstream: client.Client, server: servers.Server, steps: Steps, time: clocks.Timers
) -> None:
    limits = answer.Limits(total=12)
    async with upstream.request(server.destination, GET, limits=limits) as got:
        peer = await steps.asked()
        await peer.send(STREAM + chunk(b"hello") + b"0\r\n\r\n")
        await servers.until(lambda: got.is_over)
        time.advance(20)
        assert await got.read() == b"hello"


async def test_an_upstream_that_has_to_wait_is_not_silent(
    upstream: client.Client, server: servers.Server, steps: Steps, time: clocks.Timers
) -> None:
    async with upstream.request(server.destination, GET) as got:
        peer = await steps.asked()
        await peer.send(STREAM)
        await got.head()
        got.pause()
        time.advance(10_000)
        got.resume()
        await peer.send(chunk(b"one"))
        assert await got.next() == b"one"
        time.advance(299)
        got.pause()
        got.pause()
        time.advance(299)
        got.resume()
        time.advance(299)
        await peer.send(chunk(b"two"))
        assert await got.next() == b"two"


async def test_no_connection_in_time(upstream: client.Client, time: clocks.Timers) -> None:
    async with servers.serving(servers.silent) as server:
        destination = server.destination._replace(scheme="https")
        limits = answer.Limits(connect=10)
        got = upstream.request(destination, GET, limits=limits)
        entering = asyncio.ensure_future(got.__aenter__())
        await servers.until(lambda: server.peers)
        time.advance(10)
        with pytest.raises(dial.UnreachableError, match="no connection within 10 s"):
            await entering
        await servers.until(lambda: server.closed)
        with pytest.raises(dial.UnreachableError):
            await got.head()


# Requests


@pytest.mark.parametrize("size", [0, 1, 100_000, answer.SLICE, answer.SLICE + 1, 3_000_000])
async def test_bodies(upstream: client.Client, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    async with (
        servers.serving(servers.answering(servers.OK)) as server,
        upstream.request(server.destination, post(size), body) as got,
    ):
        assert await got.read() == b"ok"
        assert server.requests == [post(size).encode() + body]
        assert upstream.idle == 1


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


CHUNKED = http1.Request(b"POST", b"/", [(b"Transfer-Encoding", b"chunked")])


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (lambda: b"hello", b"5\r\nhello\r\n0\r\n\r\n"),
        (lambda: b"", b"0\r\n\r\n"),
        (lambda: pieces(b"he", b"", b"llo"), b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        (lambda: pieces(), b"0\r\n\r\n"),
    ],
)
async def test_bodies_in_chunks(
    upstream: client.Client, body: Callable[[], answer.Body], wire: bytes
) -> None:
    received: list[bytes] = []

    async def script(peer: servers.Peer) -> None:
        received.append(await peer.head())
        received.append(await peer.reader.readexactly(len(wire)))
        await peer.send(servers.OK)
        await peer.gone()

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, CHUNKED, body()) as got,
    ):
        assert await got.read() == b"ok"
    assert received == [CHUNKED.encode(), wire]


async def test_a_body_in_pieces(upstream: client.Client) -> None:
    async with (
        servers.serving(servers.answering(servers.OK)) as server,
        upstream.request(server.destination, post(5), pieces(b"he", b"llo")) as got,
    ):
        assert await got.read() == b"ok"
    assert server.requests == [post(5).encode() + b"hello"]


async def test_an_answer_before_the_sender_has_seen_that_all_is_sent(
    upstream: client.Client,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"hello"
        await asyncio.Event().wait()

    async with servers.serving(servers.answering(STREAM + b"0\r\n\r\n")) as server:
        for _ in range(3):
            async with upstream.request(server.destination, post(5), pieces()) as got:
                assert await got.read() == b""
    assert upstream.made == 1


@pytest.mark.parametrize("parts", [(b"hell",), (b"hello", b"!"), ()])
async def test_a_body_of_another_length_than_it_says(
    upstream: client.Client, parts: tuple[bytes, ...]
) -> None:
    async with (
        servers.serving(servers.answering(servers.OK)) as server,
        upstream.request(server.destination, post(5), pieces(*parts)) as got,
    ):
        with pytest.raises(ValueError, match="not the 5 bytes long it says"):
            await got.head()
    assert upstream.open == 0


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([(b"content-length", b"4")], b"hello"),
        ([], b"hello"),
        ([(b"content-length", b"5"), (b"content-length", b"5")], b"hello"),
        ([(b"content-length", b"+5")], b"hello"),
        ([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], b"hello"),
        ([(b"transfer-encoding", b"gzip")], b"hello"),
        ([(b"transfer-encoding", b"gzip, chunked")], b"hello"),
        ([], pieces(b"hello")),
        ([(b"a", b"b\r\nc: d")], b""),
    ],
)
async def test_requests_that_can_not_be_sent(
    upstream: client.Client, fields: list[tuple[bytes, bytes]], body: answer.Body
) -> None:
    with pytest.raises(ValueError, match="request"):
        upstream.request(
            dial.Destination("http", "127.0.0.1", 1), http1.Request(b"POST", b"/", fields), body
        )


async def test_an_upstream_that_does_not_read(upstream: client.Client, time: clocks.Timers) -> None:
    """Is not asked for more than it takes, and is silent in the end."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield bytes(100_000)

    async def script(peer: servers.Peer) -> None:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, CHUNKED, endless()) as got,
    ):
        before = -1
        while before < asked:
            before = asked
            for _ in range(50):
                await asyncio.sleep(0)
        assert asked < 200
        time.advance(120)
        with pytest.raises(TimeoutError, match="silent for 120 s"):
            await got.head()
    assert upstream.open == 0


async def test_an_answer_before_the_request_is_whole(upstream: client.Client) -> None:
    """It counts; but nothing else goes over that connection."""
    more = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        await more.wait()
        yield b"never"

    async def script(peer: servers.Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await peer.gone()

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, CHUNKED, slow()) as got,
    ):
        assert (await got.head()).status == 413
        assert await got.read() == b"no"
        assert upstream.open == 0
        await servers.until(lambda: server.closed)


# Kept connections


@contextlib.asynccontextmanager
async def kept(upstream: client.Client, server: servers.Server) -> AsyncIterator[None]:
    async with upstream.request(server.destination, post(4), b"kept") as got:
        await got.read()
    assert upstream.idle == 1
    yield


def once(then: servers.Script) -> servers.Script:
    """The first connection answers one request, and then does as the other script says; later ones
    answer all."""

    async def script(peer: servers.Peer) -> None:
        if peer.number:
            await servers.answering(servers.OK)(peer)
        await peer.request()
        await peer.send(servers.OK)
        await then(peer)

    return script


async def closes(peer: servers.Peer) -> None:
    await peer.request()
    peer.close()


async def resets(peer: servers.Peer) -> None:
    await peer.request()
    peer.reset()


@pytest.mark.parametrize("then", [closes, resets])
async def test_a_kept_connection_that_fails_is_replaced(
    upstream: client.Client, then: servers.Script
) -> None:
    async with servers.serving(once(then)) as server:
        async with kept(upstream, server):
            pass
        async with upstream.request(server.destination, post(5), b"hello") as got:
            assert got.opened
            assert got.opened.idle is not None
            assert await got.read() == b"ok"
            assert got.opened.idle is None
        assert server.requests == [post(4).encode() + b"kept", *[post(5).encode() + b"hello"] * 2]
        assert upstream.made == 2


async def test_a_connection_that_closes_while_it_is_kept_is_not_used(
    upstream: client.Client,
) -> None:
    async def then(peer: servers.Peer) -> None:
        peer.close()

    async with servers.serving(once(then)) as server:
        async with kept(upstream, server):
            await servers.until(lambda: server.closed)
        async with upstream.request(server.destination, post(5), b"hello") as got:
            assert await got.read() == b"ok"
        assert len(server.requests) == 2


async def test_a_kept_connection_that_has_said_anything_is_not_replaced(
    upstream: client.Client,
) -> None:
    async def then(peer: servers.Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async with servers.serving(once(then)) as server:
        async with kept(upstream, server):
            pass
        async with upstream.request(server.destination, post(5), b"hello") as got:
            with pytest.raises(ConnectionError):
                await got.head()
        assert len(server.requests) == 2


async def test_a_body_that_can_be_read_once_is_sent_once(upstream: client.Client) -> None:
    async with servers.serving(once(closes)) as server:
        async with kept(upstream, server):
            pass
        async with upstream.request(server.destination, post(5), pieces(b"hello")) as got:
            with pytest.raises(ConnectionError):
                await got.head()
        assert len(server.requests) == 2


async def test_a_new_connection_is_not_replaced(upstream: client.Client) -> None:
    async with (
        servers.serving(closes) as server,
        upstream.request(server.destination, GET) as got,
    ):
        with pytest.raises(ConnectionError):
            await got.head()
        assert len(server.requests) == 1


async def test_a_dead_kept_connection_whose_host_has_gone_too(upstream: client.Client) -> None:
    async with servers.serving(once(closes)) as server, kept(upstream, server):
        pass
    # The server is gone with all its connections; this one looks alive until it is used.
    async with servers.serving(once(closes), port=server.port) as again:
        async with kept(upstream, again):
            pass
        got = upstream.request(again.destination, post(5), b"hello")
        await got.__aenter__()
        upstream._dialer.connect = refuse  # type: ignore[assignment,method-assign]
        for _ in range(2):
            with pytest.raises(dial.UnreachableError, match="gone"):
                await got.head()
        got.close()


async def refuse(host: str, port: int, local: str | None) -> None:
    raise dial.UnreachableError("gone")


DORMANT = answer.Limits(dormant=20, dead_after=1, first_byte=120)


@pytest.fixture
def acknowledged() -> list[bool | None]:
    """What the system says, if anything."""
    return [False]


@pytest.fixture
async def doubting(
    time: clocks.Timers, acknowledged: list[bool | None]
) -> AsyncIterator[client.Client]:
    made = client.Client(clock=time, acknowledged=lambda sock: acknowledged[0])
    yield made
    await made.close()
    assert time.active == []


@pytest.mark.parametrize("says", [False, None])
async def test_a_kept_connection_that_is_dead_is_replaced_after_a_second(
    doubting: client.Client,
    time: clocks.Timers,
    acknowledged: list[bool | None],
    says: bool | None,
) -> None:
    acknowledged[0] = says
    async with servers.serving(once(servers.silent)) as server:
        async with kept(doubting, server):
            time.advance(20)
        async with doubting.request(server.destination, post(5), b"hello", DORMANT) as got:
            head = asyncio.ensure_future(got.head())
            await waiting(head)
            time.advance(0.9)
            await waiting(head)
            assert doubting.made == 1
            time.advance(0.1)
            assert (await head).status == 200
            assert doubting.made == 2
        assert server.requests[-1] == post(5).encode() + b"hello"
        await servers.until(lambda: server.closed)


async def test_a_kept_connection_that_was_just_used_may_be_silent(
    doubting: client.Client, time: clocks.Timers
) -> None:
    async with servers.serving(once(servers.silent)) as server:
        async with kept(doubting, server):
            time.advance(19)
        async with doubting.request(server.destination, post(5), b"hello", DORMANT) as got:
            time.advance(119)
            assert doubting.made == 1
            time.advance(1)
            with pytest.raises(TimeoutError, match="silent for 120 s"):
                await got.head()


async def test_an_upstream_that_has_got_the_request_may_think(
    doubting: client.Client, time: clocks.Timers, acknowledged: list[bool | None]
) -> None:
    acknowledged[0] = True
    async with servers.serving(once(servers.silent)) as server:
        async with kept(doubting, server):
            time.advance(20)
        async with doubting.request(server.destination, post(5), b"hello", DORMANT) as got:
            time.advance(119.9)
            assert doubting.made == 1
            time.advance(0.1)
            with pytest.raises(TimeoutError):
                await got.head()


async def test_a_dead_connection_takes_its_likes_with_it(
    doubting: client.Client, time: clocks.Timers
) -> None:
    async def script(peer: servers.Peer) -> None:
        if peer.number > 1:
            await servers.answering(servers.OK)(peer)
        await peer.request()
        await peer.send(servers.OK)
        await peer.gone()

    async with servers.serving(script) as server:
        async with (
            doubting.request(server.destination, GET) as one,
            doubting.request(server.destination, GET) as two,
        ):
            await one.read()
            await two.read()
        time.advance(20)
        assert doubting.idle == 2
        async with doubting.request(server.destination, GET, limits=DORMANT) as got:
            head = asyncio.ensure_future(got.head())
            await waiting(head)
            time.advance(1)
            await head
            await got.read()
        assert (doubting.open, doubting.idle, doubting.made) == (1, 1, 3)


# Leaving


async def test_leaving_early_closes_the_connection(
    upstream: client.Client, server: servers.Server, steps: Steps
) -> None:
    async with upstream.request(server.destination, GET) as got:
        peer = await steps.asked()
        await peer.send(STREAM + chunk(b"one"))
        await got.next()
    assert upstream.open == 0
    await servers.until(lambda: server.closed)


@pytest.mark.parametrize("where", ["head", "body", "sending"])
async def test_cancelling_closes_at_once(
    upstream: client.Client, server: servers.Server, steps: Steps, where: str, time: clocks.Timers
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"hello"
        await asyncio.Event().wait()

    async def ask() -> None:
        request, body = (CHUNKED, slow()) if where == "sending" else (GET, b"")
        async with upstream.request(server.destination, request, body) as got:
            await got.read()

    before = asyncio.all_tasks()
    task = asyncio.ensure_future(ask())
    peer = await steps.asked()
    if where == "body":
        await peer.send(STREAM + chunk(b"one"))
    await waiting(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert upstream.open == 0
    await asyncio.sleep(0)
    assert time.active == []
    await servers.until(lambda: server.closed)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_an_answer_can_be_closed_at_any_time(upstream: client.Client) -> None:
    got = upstream.request(dial.Destination("http", "127.0.0.1", 1), GET)
    got.close()
    got.close()


async def test_closing_the_client_ends_what_is_under_way(
    time: clocks.Timers, server: servers.Server, steps: Steps
) -> None:
    upstream = client.Client(clock=time)
    async with upstream.request(server.destination, GET) as got:
        await steps.asked()
        await upstream.close()
        with pytest.raises(ConnectionError, match="the client was closed"):
            await got.head()


# Back-pressure


@pytest.mark.parametrize("how", ["nobody reads", "paused"])
async def test_a_reader_that_reads_nothing_holds_its_upstream_back(
    upstream: client.Client, how: str
) -> None:
    total, sent = 20_000_000, 0
    piece = bytes(50_000)

    async def script(peer: servers.Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.send(piece)
            sent += len(piece)
        await peer.gone()

    async with (
        servers.serving(script) as server,
        upstream.request(server.destination, GET) as got,
    ):
        await got.head()
        if how == "paused":
            got.pause()
        tracemalloc.start()
        before = -1
        while before < sent:
            before = sent
            for _ in range(100):
                await asyncio.sleep(0)
        # Not what other threads, of tests that ran before, have taken meanwhile.
        ours = [
            tracemalloc.Filter(True, str(module.__file__))
            for module in (selector_events, http1, answer)
        ]
        used = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
        tracemalloc.stop()
        assert sent < total
        assert sum(each.size for each in used) < 1_000_000
        if how == "paused":
            got.resume()
        assert len(await got.read()) == total
        assert upstream.idle == 1


async def test_a_connection_that_was_held_back_is_not_when_it_is_used_again(
    upstream: client.Client,
) -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000)
    async with servers.serving(servers.answering(wire)) as server:
        for _ in range(2):
            async with upstream.request(server.destination, GET) as got:
                await servers.until(lambda got=got: got._is_full)  # type: ignore[misc]
                assert len(await got.read()) == 100_000
        assert upstream.made == 1
