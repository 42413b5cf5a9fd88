from __future__ import annotations

import asyncio
import collections
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from claude_route.proxy.upstream import answer
from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import pool
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import tls
from simulator import ports
from tests import clocks
from tests.unit.proxy.upstream import certificates
from tests.unit.proxy.upstream import servers

GET = servers.GET


async def get(upstream: client.Client, destination: dial.Destination) -> bytes:
    async with upstream.request(destination, GET) as got:
        return await got.read()


@pytest.fixture
async def server() -> AsyncIterator[servers.Server]:
    async with servers.serving(servers.answering(servers.OK)) as running:
        yield running


async def test_requests_in_turn_share_a_connection(
    upstream: client.Client, server: servers.Server
) -> None:
    for _ in range(103):
        assert await get(upstream, server.destination) == b"ok"
    assert (upstream.made, upstream.open, upstream.idle) == (1, 1, 1)


async def test_requests_at_once_have_connections_of_their_own(
    upstream: client.Client, server: servers.Server
) -> None:
    for _ in range(2):
        await asyncio.gather(*(get(upstream, server.destination) for _ in range(10)))
    assert upstream.made == 10


async def test_accounts_never_share_a_connection(
    upstream: client.Client, server: servers.Server
) -> None:
    for secret in (b"alice", b"bob", b"alice"):
        credential = upstream.fingerprint(secret)
        await get(upstream, server.destination._replace(credential=credential))
    assert [len(server.requests), upstream.made] == [3, 2]


async def test_what_carried_no_credential_is_not_taken_for_what_carried_one(
    upstream: client.Client, server: servers.Server
) -> None:
    await get(upstream, server.destination._replace(credential="alice"))
    await get(upstream, server.destination)
    assert upstream.made == 2


def test_fingerprints_tell_secrets_apart_and_say_nothing() -> None:
    async def compare() -> None:
        one, other = client.Client(), client.Client()
        assert one.fingerprint(b"secret") == one.fingerprint(b"secret")
        assert one.fingerprint(b"a", b"bc") != one.fingerprint(b"ab", b"c")
        assert one.fingerprint(b"secret") != other.fingerprint(b"secret")
        await one.close()
        await other.close()

    asyncio.run(compare())


async def test_eager_tasks(upstream: client.Client, server: servers.Server) -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    body = bytes(answer.SLICE * 3)
    post = http1.Request(b"POST", b"/", [(b"content-length", b"%d" % len(body))])

    async def ask() -> bytes:
        async with upstream.request(server.destination, post, body) as got:
            return await got.read()

    assert await asyncio.gather(*(asyncio.create_task(ask()) for _ in range(4))) == [b"ok"] * 4


async def test_bounds(time: clocks.Timers, server: servers.Server) -> None:
    upstream = client.Client(clock=time, bounds=pool.Bounds(idle=10, per_destination=2, total=3))
    places = [server.destination._replace(credential=name) for name in "aaabb"]
    await asyncio.gather(*(get(upstream, place) for place in places))
    assert (upstream.made, upstream.open, upstream.idle) == (5, 3, 3)
    time.advance(10)
    assert (upstream.open, upstream.idle) == (0, 0)
    await upstream.close()


async def test_surplus_bytes_close_the_connection(upstream: client.Client) -> None:
    async with servers.serving(servers.answering(servers.OK + b"HTTP/1.1 200 OK\r\n")) as server:
        for _ in range(2):
            assert await get(upstream, server.destination) == b"ok"
            assert upstream.open == 0


async def test_surplus_bytes_that_come_later_close_it_too(upstream: client.Client) -> None:
    async def script(peer: servers.Peer) -> None:
        await peer.request()
        await peer.send(servers.OK)
        await asyncio.sleep(0)
        await peer.send(servers.OK.replace(b"ok", b"no"))
        await peer.gone()

    async with servers.serving(script) as server:
        assert await get(upstream, server.destination) == b"ok"
        await servers.until(lambda: upstream.open == 0)
        assert await get(upstream, server.destination) == b"ok"


# Proxies


async def test_plain_http_through_a_proxy_is_asked_for_in_absolute_form(
    upstream: client.Client, server: servers.Server
) -> None:
    proxy = proxies.parse(f"http://me:secret@127.0.0.1:{server.port}")
    for port in (80, 8000):
        await get(upstream, dial.Destination("http", "api.example", port, proxy=proxy))
    assert server.requests == [
        b"GET http://api.example%b/ HTTP/1.1\r\nHost: upstream\r\n"
        b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n" % port
        for port in (b"", b":8000")
    ]
    await get(upstream, dial.Destination("http", "::5", 80, proxy=proxy))
    assert server.requests[-1].startswith(b"GET http://[::5]/ HTTP/1.1\r\n")


async def test_passwords_are_not_shown(upstream: client.Client) -> None:
    destination = dial.Destination(
        "http", "127.0.0.1", 1, proxy=proxies.parse("http://me:secret@127.0.0.1:1")
    )
    assert "secret" not in repr(destination)
    with pytest.raises(dial.UnreachableError) as error:
        await get(upstream, destination)
    assert "secret" not in repr(error.value)


# TLS


async def test_handshakes_are_resumed(
    upstream: client.Client, authority: certificates.Authority
) -> None:
    settings = tls.Settings(ca_file=authority.ca_file)
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    resumed = []
    async with servers.serving(servers.answering(closing), tls=authority.server()) as server:
        destination = dial.Destination("https", "127.0.0.1", server.port, tls=settings)
        for _ in range(2):
            async with upstream.request(destination, GET) as got:
                assert await got.read() == b"ok"
                assert got.opened
                resumed.append(got.opened.link.is_resumed)
    assert resumed == [False, True]


async def test_a_large_body_over_tls(
    upstream: client.Client, authority: certificates.Authority
) -> None:
    settings = tls.Settings(ca_file=authority.ca_file)
    body = bytes(range(256)) * 10_000
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    post = http1.Request(b"POST", b"/", [(b"content-length", b"%d" % len(body))])
    secure = authority.server()
    async with servers.serving(servers.answering(head, body), tls=secure) as server:
        destination = dial.Destination("https", "127.0.0.1", server.port, tls=settings)
        async with upstream.request(destination, post, body) as got:
            assert await got.read() == body
        assert server.requests == [post.encode() + body]
        assert upstream.idle == 1
        assert await get(upstream, destination) == body
        assert upstream.made == 1


# Who hears of connections


class Watcher:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.refuses = False

    async def connecting(self, destination: dial.Destination) -> None:
        self.seen.append(f"connecting {destination.host}")
        if self.refuses:
            raise PermissionError("not there")

    async def connected(
        self, destination: dial.Destination, connection: http1.Connection, link: dial.Link
    ) -> None:
        self.seen.append(f"connected {link.peer[0]}")

    async def failed(self, destination: dial.Destination, error: OSError) -> None:
        self.seen.append(f"failed: {error}")

    def given_up(self, destination: dial.Destination) -> None:
        self.seen.append(f"given up {destination.host}")

    def closed(self, connection: http1.Connection) -> None:
        self.seen.append("closed")


async def test_connections_are_watched(time: clocks.Timers, server: servers.Server) -> None:
    watcher = Watcher()
    upstream = client.Client(clock=time, watcher=watcher)
    for _ in range(2):
        await get(upstream, server.destination)
    await upstream.close()
    assert watcher.seen == ["connecting 127.0.0.1", "connected 127.0.0.1", "closed"]


async def test_a_watcher_can_refuse(time: clocks.Timers, server: servers.Server) -> None:
    watcher = Watcher()
    watcher.refuses = True
    upstream = client.Client(clock=time, watcher=watcher)
    with pytest.raises(dial.UnreachableError, match="not there"):
        await get(upstream, server.destination)
    await upstream.close()
    assert watcher.seen == ["connecting 127.0.0.1", "failed: not there"]
    assert server.peers == []


async def test_a_failure_is_watched(time: clocks.Timers) -> None:
    watcher = Watcher()
    upstream = client.Client(clock=time, watcher=watcher)
    with pytest.raises(dial.UnreachableError) as error:
        await get(upstream, dial.Destination("http", "127.0.0.1", 1))
    await upstream.close()
    assert watcher.seen == ["connecting 127.0.0.1", f"failed: {error.value}"]


async def test_a_request_that_is_given_up_is_watched(time: clocks.Timers) -> None:
    watcher = Watcher()
    upstream = client.Client(clock=time, watcher=watcher)
    with ports.unanswered() as port:
        task = asyncio.ensure_future(get(upstream, dial.Destination("http", "127.0.0.1", port)))
        await servers.until(lambda: watcher.seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await upstream.close()
    assert watcher.seen == ["connecting 127.0.0.1", "given up 127.0.0.1"]


async def test_one_that_comes_too_late_has_failed(time: clocks.Timers) -> None:
    """Its limit cancels too, but that is no client that leaves."""
    watcher = Watcher()
    upstream = client.Client(clock=time, watcher=watcher)
    with ports.unanswered() as port:
        task = asyncio.ensure_future(get(upstream, dial.Destination("http", "127.0.0.1", port)))
        await servers.until(lambda: watcher.seen)
        time.advance(11)
        with pytest.raises(dial.UnreachableError):
            await task
    await upstream.close()
    assert watcher.seen == ["connecting 127.0.0.1", "failed: no connection within 10 s"]


# Warm connections


async def test_a_warm_connection_is_for_whoever_comes_first(
    upstream: client.Client, server: servers.Server
) -> None:
    upstream.keep_warm([server.destination._replace(credential="alice")])
    await servers.until(lambda: upstream.idle == 1)
    await get(upstream, server.destination._replace(credential="bob"))
    assert upstream.made == 1


async def test_what_is_used_is_kept_warm(
    upstream: client.Client, server: servers.Server, time: clocks.Timers
) -> None:
    upstream.keep_warm(seconds=300)
    await get(upstream, server.destination)
    for _ in range(2):  # it expires after 50 s, and is made again
        time.advance(60)
        await servers.until(lambda: upstream.idle == 1)
    made = upstream.made
    assert made == 3
    await get(upstream, server.destination)
    assert upstream.made == made
    time.advance(301)
    for _ in range(20):
        await asyncio.sleep(0)
    time.advance(60)
    assert upstream.idle == 0
    made = upstream.made
    time.advance(1000)
    for _ in range(20):
        await asyncio.sleep(0)
    assert upstream.made == made


async def test_where_several_accounts_go_one_is_ready_for_another(
    upstream: client.Client, server: servers.Server, time: clocks.Timers
) -> None:
    """A new session may get a token that no connection has carried yet."""
    upstream.keep_warm()
    for account in ("alice", "alice"):
        await get(upstream, server.destination._replace(credential=account))
    time.advance(client.WARM_CHECK)
    await asyncio.sleep(0)
    assert upstream.made == 1, "hers is ready for her"
    await get(upstream, server.destination._replace(credential="bob"))
    time.advance(client.WARM_CHECK)
    await servers.until(lambda: upstream.idle == 3)
    await get(upstream, server.destination._replace(credential="carol"))
    assert upstream.made == 3


async def test_what_expires_is_replaced_at_once(
    upstream: client.Client, server: servers.Server, time: clocks.Timers
) -> None:
    upstream.keep_warm()
    time.advance(client.WARM_CHECK - 1)
    await get(upstream, server.destination)
    time.advance(50)
    await servers.until(lambda: upstream.made == 2)
    await servers.until(lambda: upstream.idle == 1)


async def test_a_server_that_closes_what_is_idle_is_not_pestered(
    upstream: client.Client, time: clocks.Timers
) -> None:
    async def script(peer: servers.Peer) -> None:
        peer.close()

    async with servers.serving(script) as server:
        upstream.keep_warm([server.destination])
        for number in range(1, 4):
            await servers.until(lambda number=number: upstream.made == number)  # type: ignore[misc]
            await servers.until(lambda: upstream.open == 0)
            time.advance(client.WARM_PAUSE - 1)
            await asyncio.sleep(0)
            assert upstream.made == number
            time.advance(client.WARM_CHECK)


async def test_what_can_not_be_reached_is_tried_again_later(
    time: clocks.Timers, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher()
    upstream = client.Client(clock=time, watcher=watcher)
    upstream.keep_warm([dial.Destination("http", "127.0.0.1", 1)])
    await servers.until(lambda: len(watcher.seen) == 2)
    await servers.until(lambda: not upstream._warming)
    for _ in range(11):
        time.advance(5)
    await asyncio.sleep(0)
    assert len(watcher.seen) == 2
    time.advance(10)
    await servers.until(lambda: len(watcher.seen) == 4)
    await upstream.close()
    assert caplog.records == []


async def test_only_some_destinations_are_kept_warm(
    upstream: client.Client, time: clocks.Timers
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(servers.serving(servers.answering(servers.OK)))
            for _ in range(4)
        ]
        for each in running:
            await get(upstream, each.destination)
            time.advance(1)
        time.advance(50)
        assert upstream.idle == 0
        upstream.keep_warm(at_most=2)
        await servers.until(lambda: upstream.idle == 2)
        assert [len(each.peers) for each in running] == [1, 1, 2, 2]


async def test_closing_ends_the_warming(time: clocks.Timers) -> None:
    async with servers.serving(servers.silent) as server:
        upstream = client.Client(clock=time)
        upstream.keep_warm([server.destination._replace(scheme="https")])
        await servers.until(lambda: server.peers)
        await upstream.close()
        assert time.active == []
        assert asyncio.all_tasks() - server.tasks == {asyncio.current_task()}
        await servers.until(lambda: server.closed)


async def test_a_connection_that_comes_after_the_end_is_closed(
    time: clocks.Timers, server: servers.Server
) -> None:
    upstream = client.Client(clock=time)
    asking = asyncio.ensure_future(get(upstream, server.destination))
    await asyncio.sleep(0)
    await upstream.close()
    with pytest.raises(OSError, match=r"closed"):
        await asking
    assert upstream.open == 0
    await servers.until(lambda: server.closed == len(server.peers))


# All at once


def faulty(chance: random.Random) -> servers.Script:
    """Answers with the request's own body, or goes wrong in one of many ways."""

    async def script(peer: servers.Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            answer = (
                b"HTTP/1.1 200 OK\r\nx-body: %b\r\ntransfer-encoding: chunked\r\n\r\n" % body
                + b"".join(b"%x\r\n%b\r\n" % (len(body), body) for _ in range(3))
                + b"0\r\n\r\n"
            )
            cut = chance.randrange(len(answer))
            match chance.randrange(10):
                case 0:
                    peer.close()
                    return
                case 1:
                    peer.reset()
                    return
                case 2:
                    await peer.send(answer[:cut])
                    peer.close()
                    return
                case 3:
                    await peer.send(answer[:cut], b"\0\r\n\0")
                    peer.close()
                    return
                case 4:
                    await peer.send(answer + servers.OK)
                case 5:
                    await peer.send(answer)
                    await asyncio.sleep(0)
                    await peer.send(servers.OK)
                case 6:
                    await peer.send(answer)
                    peer.close()
                    return
                case _:
                    await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n", answer[:cut])
                    await asyncio.sleep(0)
                    await peer.send(answer[cut:])

    return script


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_goes_wrong_nobody_gets_another_s_answer(
    upstream: client.Client, seed: int
) -> None:
    chance = random.Random(seed)
    outcomes: collections.Counter[str] = collections.Counter()

    async def ask(number: int, destination: dial.Destination) -> None:
        body = b"request %d" % number
        post = http1.Request(b"POST", b"/", [(b"content-length", b"%d" % len(body))])
        try:
            async with upstream.request(destination, post, body) as got:
                head = await got.head()
                assert dict(head.fields)[b"x-body"] == body
                if chance.random() < 0.1:
                    outcomes["left"] += 1
                    return
                assert await got.read() == body * 3
                outcomes["whole"] += 1
        except ConnectionError:
            outcomes["failed"] += 1

    async with servers.serving(faulty(chance)) as server:
        for start in range(0, 300, 20):
            accounts = [server.destination._replace(credential=name) for name in "abc"]
            tasks = [
                asyncio.create_task(ask(number, chance.choice(accounts)))
                for number in range(start, start + 20)
            ]
            await asyncio.sleep(0)
            for task in chance.sample(tasks, 2):
                task.cancel()
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                if error is not None and not isinstance(error, asyncio.CancelledError):
                    raise error
            assert upstream.open == upstream.idle
    assert min(outcomes["whole"], outcomes["failed"], outcomes["left"]) >= 10
