from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import socket
import ssl
from collections.abc import AsyncIterator
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import aiohappyeyeballs
import pytest

from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import resolver
from claude_route.proxy.upstream import tls
from tests import clocks
from tests.unit.proxy.upstream import certificates
from tests.unit.proxy.upstream import servers

type Hosts = dict[str, list[str]]


@pytest.fixture(autouse=True, params=["lazy", "eager"])
async def task_factory(request: pytest.FixtureRequest) -> None:
    """mitmproxy's tasks start eagerly."""
    if request.param == "eager":
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)


@contextlib.contextmanager
def dialing(hosts: Hosts | None = None) -> Iterator[dial.Dialer]:
    def lookup(host: str, port: int) -> Sequence[resolver.AddressInfo]:
        if host not in (hosts or {}):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in (hosts or {})[host]
        ]

    names = resolver.Resolver(clocks.Timers(), ask=lookup)
    yield dial.Dialer(names, race_delay=0.01, clock=clocks.Clock())


def new() -> http1.Connection:
    return http1.Connection(memoryview(bytearray(http1.READ_SIZE)))


@contextlib.asynccontextmanager
async def dialed(
    dialer: dial.Dialer, destination: dial.Destination
) -> AsyncIterator[tuple[http1.Connection, dial.Link]]:
    connection = new()
    link = await dialer.dial(destination, connection)
    yield connection, link
    connection.close()
    await asyncio.sleep(0)


async def refused(destination: dial.Destination, hosts: Hosts | None = None) -> str:
    with dialing(hosts) as dialer, pytest.raises(dial.UnreachableError) as error:
        await dialer.dial(destination, new())
    return str(error.value)


@contextlib.contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """Drops what comes: its backlog is full."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hole.bind((address, port))
        hole.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


async def test_a_plain_connection() -> None:
    async with servers.serving(servers.silent) as server:
        with dialing() as dialer:
            async with dialed(dialer, server.destination) as (connection, link):
                assert link.peer == ("127.0.0.1", server.port)
                assert link.local[0] == "127.0.0.1"
                assert (link.tls_version, link.certificates) == (None, ())
                assert connection.is_quiet
                sock = connection.socket
                assert sock
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("first", ["black hole", "refusing"])
async def test_the_next_address_is_tried_when_the_first_does_not_answer(first: str) -> None:
    async with servers.serving(servers.silent) as server:
        hosts = {"api.example": ["127.0.0.2", "127.0.0.3", "127.0.0.1"]}
        hole = black_hole("127.0.0.2", server.port)
        with hole if first == "black hole" else contextlib.nullcontext(), dialing(hosts) as dialer:
            destination = server.destination._replace(host="api.example")
            async with dialed(dialer, destination) as (_, link):
                assert link.peer[0] == "127.0.0.1"
    assert len(asyncio.all_tasks()) == 1


async def test_giving_up_a_race_leaves_nothing(recwarn: pytest.WarningsRecorder) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        port = probe.getsockname()[1]
    with black_hole("127.0.0.2", port), dialing({"a": ["127.0.0.2"] * 3}) as dialer:
        task = asyncio.ensure_future(dialer.dial(dial.Destination("http", "a", port), new()))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(asyncio.all_tasks()) == 1


async def test_it_comes_from_a_given_address() -> None:
    async with servers.serving(servers.silent) as server:
        with dialing({"a": ["127.0.0.1"]}) as dialer:
            destination = server.destination._replace(host="a", local="127.0.0.9")
            async with dialed(dialer, destination) as (_, link):
                assert link.local[0] == "127.0.0.9"
                assert server.peers[0].writer.get_extra_info("peername")[0] == "127.0.0.9"


@pytest.mark.parametrize(
    ("local", "why"),
    [
        ("192.0.2.1", "address ('192.0.2.1', 0): cannot assign"),
        ("::1", "no matching local address"),
    ],
)
async def test_an_address_that_nothing_can_come_from(local: str, why: str) -> None:
    async with servers.serving(servers.silent) as server:
        assert why in await refused(server.destination._replace(local=local))


async def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    why = await refused(dial.Destination("http", "a", port), {"a": ["127.0.0.1", "127.0.0.2"]})
    assert why == f"no connection to a:{port}: no server is running there"


REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed")
MIXED = OSError("Multiple exceptions: [Errno 99] Cannot assign, [Errno 111] Connect call failed")


@pytest.mark.skipif(errno.ECONNREFUSED != 111, reason="the words have Linux's number")
@pytest.mark.parametrize(
    ("error", "addresses", "expected"),
    [
        (REFUSED, ["127.0.0.1"], dial.AbsentError),
        (REFUSED, ["::1", "127.0.0.1"], dial.AbsentError),
        (MIXED, ["::1", "127.0.0.1"], dial.AbsentError),
        (REFUSED, ["192.0.2.1"], dial.UnreachableError),
        (REFUSED, ["127.0.0.1", "192.0.2.1"], dial.UnreachableError),
        (OSError(errno.EMFILE, "Too many open files"), ["127.0.0.1"], dial.CrowdedError),
        (OSError("no matching local address"), ["127.0.0.1"], dial.UnreachableError),
    ],
)
async def test_only_this_machine_is_said_to_run_no_server(
    error: OSError,
    addresses: list[str],
    expected: type[OSError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", fail)
    with dialing({"a": addresses}) as dialer, pytest.raises(dial.UnreachableError) as raised:
        await dialer.connect("a", 11434)
    assert type(raised.value) is expected


async def test_no_such_name() -> None:
    why = await refused(dial.Destination("http", "nowhere.example", 80))
    assert why == "cannot resolve nowhere.example: Name or service not known"


async def test_a_name_that_could_not_be_reached_is_looked_up_again() -> None:
    async with servers.serving(servers.silent) as server:
        hosts = {"a": ["127.0.0.9"]}
        destination = server.destination._replace(host="a")
        with dialing(hosts) as dialer:
            with pytest.raises(dial.UnreachableError):
                await dialer.dial(destination, new())
            hosts["a"] = ["127.0.0.1"]
            async with dialed(dialer, destination):
                pass


async def test_tls(authority: certificates.Authority) -> None:
    settings = tls.Settings(ca_file=authority.ca_file)
    async with servers.serving(servers.silent, tls=authority.server("api.example")) as server:
        destination = dial.Destination("https", "api.example", server.port, tls=settings)
        with dialing({"api.example": ["127.0.0.1"]}) as dialer:
            async with dialed(dialer, destination) as (_, link):
                assert (link.tls_version, link.server_name) == ("TLSv1.3", "api.example")
                assert link.cipher
                assert link.certificates
                assert link.tls_connected


async def test_a_certificate_that_is_not_trusted(authority: certificates.Authority) -> None:
    async with servers.serving(servers.silent, tls=authority.server()) as server:
        why = await refused(dial.Destination("https", "127.0.0.1", server.port))
        assert why.startswith("certificate of 127.0.0.1 not trusted: ")
        await servers.until(lambda: server.closed == len(server.peers))


async def test_a_server_that_speaks_no_tls() -> None:
    async with servers.serving(servers.answering(servers.OK)) as server:

        async def script(peer: servers.Peer) -> None:
            await peer.send(servers.OK)

        server.script = script
        why = await refused(dial.Destination("https", "127.0.0.1", server.port))
        assert why == "TLS handshake with 127.0.0.1 failed: wrong_version_number"


async def test_a_server_that_closes_in_the_handshake() -> None:
    async def script(peer: servers.Peer) -> None:
        peer.close()

    async with servers.serving(script) as server:
        why = await refused(dial.Destination("https", "127.0.0.1", server.port))
        assert why.startswith("the connection to 127.0.0.1 was lost before it stood")


async def test_a_handshake_that_is_given_up_is_closed_at_once() -> None:
    async with servers.serving(servers.silent) as server:
        with dialing() as dialer:
            destination = dial.Destination("https", "127.0.0.1", server.port)
            task = asyncio.ensure_future(dialer.dial(destination, new()))
            await servers.until(lambda: server.peers)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await servers.until(lambda: server.closed)


async def test_tls_settings_that_can_not_be() -> None:
    settings = tls.Settings(ca_file="/nowhere")
    why = await refused(dial.Destination("https", "127.0.0.1", 1, tls=settings))
    assert why.startswith("cannot read CA certificates")


# Proxies


@pytest.fixture
def both(authority: certificates.Authority, tmp_path: Path) -> tls.Settings:
    return tls.Settings(ca_file=authority.ca_file)


@contextlib.asynccontextmanager
async def proxying(
    target: int, *, user: bytes = b"", secure: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[servers.Server, list[bytes]]]:
    """A CONNECT proxy to a port of this machine."""
    heads: list[bytes] = []

    async def script(peer: servers.Peer) -> None:
        heads.append(await peer.head())
        if user and b"Proxy-Authorization: Basic " + user not in heads[-1]:
            await peer.send(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", target)
        await peer.send(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 Connection", b" established\r\nVia: x\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

        back = asyncio.ensure_future(pump(reader, peer.writer))
        try:
            await pump(peer.reader, writer)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            writer.transport.abort()

    async with servers.serving(script, tls=secure) as server:
        yield server, heads


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_tunnel(scheme: str, authority: certificates.Authority, both: tls.Settings) -> None:
    """TLS to the proxy has its name, TLS through it the upstream's."""
    secure = authority.server("proxy.example") if scheme == "https" else None
    upstream_tls = authority.server("api.example")
    async with (
        servers.serving(servers.answering(servers.OK), tls=upstream_tls) as upstream,
        proxying(upstream.port, user=b"bWU6c2VjcmV0", secure=secure) as (proxy, heads),
    ):
        url = f"{scheme}://me:secret@proxy.example:{proxy.port}"
        destination = dial.Destination(
            "https", "api.example", 443, proxy=proxies.parse(url), tls=both
        )
        with dialing({"proxy.example": ["127.0.0.1"]}) as dialer:
            async with dialed(dialer, destination) as (connection, link):
                assert link.server_name == "api.example"
                assert link.peer == ("127.0.0.1", proxy.port)
                assert connection.is_open
                connection.transport.write(servers.GET.encode())
                await servers.until(lambda: upstream.requests)
        assert heads == [
            b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n"
            b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        ]
        await servers.until(lambda: proxy.closed == upstream.closed == 1)


async def test_a_proxy_that_is_asked_for_plain_http_makes_no_tunnel() -> None:
    async with servers.serving(servers.silent) as server:
        proxy = proxies.Proxy("http", "127.0.0.1", server.port)
        with dialing() as dialer:
            destination = dial.Destination("http", "api.example", 80, proxy=proxy)
            async with dialed(dialer, destination) as (_, link):
                assert link.peer == ("127.0.0.1", server.port)


async def test_an_ipv6_host_behind_a_proxy(both: tls.Settings) -> None:
    async with proxying(1) as (proxy, heads):
        destination = dial.Destination(
            "https", "::5", 443, proxy=proxies.Proxy("http", "127.0.0.1", proxy.port), tls=both
        )
        await refused(destination)
        assert heads[0].startswith(b"CONNECT [::5]:443 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (b"HTTP/1.1 407 Who\r\n\r\n", r"another user and password \(407\)"),
        (b"HTTP/1.1 403 No\r\n\r\n", "answered 'HTTP/1.1 403 No'"),
        (b"HTTP/1.1 301 There\r\n\r\n", "answered 'HTTP/1.1 301 There'"),
        (b"nonsense\r\n\r\n", "answered 'nonsense'"),
        (b"HTTP/1.1 200 OK\r\n\r\nsurplus", "speaks before"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000, "endless headers"),
        (b"HTTP/1.1 103 Early\r\n\r\n" * 10_000, "endless headers"),
        (b"HTTP/1.1 101 Else\r\n\r\n", "answered 'HTTP/1.1 101 Else'"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel(response: bytes, why: str) -> None:
    async def script(peer: servers.Peer) -> None:
        await peer.head()
        await peer.send(response)
        peer.close()
        await peer.gone()

    async with servers.serving(script) as server:
        proxy = proxies.Proxy("http", "127.0.0.1", server.port, "me", "secret")
        message = await refused(dial.Destination("https", "api.example", 443, proxy=proxy))
        assert message.startswith(f"proxy http://127.0.0.1:{server.port} opens no tunnel: ")
        assert re.search(why, message)
        assert "secret" not in message
        await servers.until(lambda: server.closed)


async def test_a_tunnel_that_is_given_up_is_closed_at_once() -> None:
    async with servers.serving(servers.silent) as server:
        proxy = proxies.Proxy("http", "127.0.0.1", server.port)
        with dialing() as dialer:
            destination = dial.Destination("https", "api.example", 443, proxy=proxy)
            task = asyncio.ensure_future(dialer.dial(destination, new()))
            await servers.until(lambda: server.peers)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await servers.until(lambda: server.closed)


async def test_a_proxy_that_can_not_be_reached() -> None:
    proxy = proxies.Proxy("http", "nowhere.example", 3128)
    why = await refused(dial.Destination("https", "api.example", 443, proxy=proxy))
    assert why == "cannot resolve nowhere.example: Name or service not known"


async def test_linux_says_whether_all_was_acknowledged() -> None:
    async with servers.serving(servers.silent) as server:
        with dialing() as dialer:
            async with dialed(dialer, server.destination) as (connection, _):
                connection.transport.write(b"x")
                assert connection.socket
                sock = connection.socket
                await servers.until(lambda: dial.acknowledged(sock) in (True, None))
    assert dial.acknowledged(sock) is None  # closed


@pytest.mark.parametrize(
    ("peer", "local", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.9", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::1", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.8", "192.0.2.7", False),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("/run/socket", "", False),
    ],
)
def test_whether_the_other_end_is_on_this_machine(peer: str, local: str, expected: bool) -> None:
    assert dial.Link((peer, 1), (local, 2), 0, 0).is_local is expected
    assert not dial.Link((), (), 0, 0).is_local
