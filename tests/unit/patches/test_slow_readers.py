from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.addons import next_layer
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import layer
from mitmproxy.proxy import server
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.test import taddons

from claude_route.patches import slow_readers
from tests.wire import proxies

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n"
PIECE = bytes(1 << 18)


class Patience:
    def __init__(self) -> None:
        self.seconds = 60.0
        self.lost_count = 0

    def lost(self) -> None:
        self.lost_count += 1


class Streaming:
    """Has answers pass through as they come."""

    def responseheaders(self, flow: Any) -> None:
        flow.response.stream = True

    def requestheaders(self, flow: Any) -> None:
        flow.request.stream = True


class Running:
    """A reverse proxy in this process, with an upstream that sends as long as it can."""

    def __init__(self) -> None:
        self.server = proxyserver.Proxyserver()
        self.patience = Patience()
        self.sent = 0
        self.is_gone = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD)
            while True:
                writer.write(PIECE)
                await writer.drain()
                self.sent += len(PIECE)
        self.is_gone.set()
        writer.close()

    @property
    def port(self) -> int:
        port: int = self.server.listen_addrs()[0][1]
        return port

    async def quiet(self) -> int:
        """What the upstream has sent when it can send no more."""
        before = -1
        while before != self.sent:
            before = self.sent
            await asyncio.sleep(0.3)
        return before


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    listener = await asyncio.start_server(running.accept, "127.0.0.1", 0)
    uninstall = slow_readers.install(running.patience)
    behind = listener.sockets[0].getsockname()[1]
    with taddons.context(running.server, next_layer.NextLayer(), Streaming()) as tctx:
        mode = f"reverse:http://127.0.0.1:{behind}@127.0.0.1:0"
        tctx.options.update(mode=[mode], connection_strategy="lazy")
        assert await running.server.setup_servers()
        running.server.running()
        try:
            yield running
        finally:
            uninstall()
            tctx.options.update(server=False)
            await running.server.setup_servers()
            listener.close()


async def connect(running: Running) -> socket.socket:
    """A client that reads nothing unless it is asked to."""
    raw = socket.socket()
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", running.port))
    await loop.sock_sendall(raw, REQUEST)
    return raw


async def test_a_client_that_reads_nothing_is_given_up(running: Running) -> None:
    client = await connect(running)
    assert await running.quiet() < 20_000_000
    assert not running.is_gone.is_set()
    assert running.patience.lost_count == 0
    client.close()
    async with asyncio.timeout(proxies.PATIENCE):
        await running.is_gone.wait()


async def test_but_not_for_ever(running: Running) -> None:
    running.patience.seconds = 0.3
    client = await connect(running)
    async with asyncio.timeout(proxies.PATIENCE):
        await running.is_gone.wait()
    assert running.patience.lost_count
    client.close()


async def test_who_reads_slowly_is_waited_for(running: Running) -> None:
    running.patience.seconds = 1.5
    client = await connect(running)
    loop = asyncio.get_running_loop()
    until = loop.time() + 2.5 * running.patience.seconds
    while loop.time() < until:
        assert await loop.sock_recv(client, 1 << 20)
        await asyncio.sleep(0.1)
    assert running.patience.lost_count == 0
    client.close()


@pytest.mark.parametrize(
    ("sizes", "is_read"),
    [
        ([0], True),
        ([100, 50], True),
        ([10**6, 10**6, 10**6], False),
        ([10**6, 10**6 - slow_readers.PROGRESS, 50], True),
    ],
)
async def test_what_falls_in_time(sizes: list[int], is_read: bool) -> None:
    def size() -> int:
        return sizes.pop(0) if len(sizes) > 1 else sizes[0]

    assert await slow_readers.falls(size, 99, slow_readers.LOOK / 2) is is_read


class Transport:
    """Of a connection that is being closed."""

    def __init__(self, *sizes: int, closing: bool = True) -> None:
        self.sizes = list(sizes)
        self.closing = closing
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.is_aborted = True
        self.sizes = [0]


@pytest.mark.parametrize(
    ("transport", "is_aborted"),
    [
        (Transport(0), False),
        (Transport(100), True),
        (Transport(100, 0), False),
        (Transport(10**6, 10**6 - slow_readers.PROGRESS, 0), False),
        (Transport(100, 100, 100, 0, closing=False), False),
    ],
)
async def test_a_closed_connection_whose_peer_reads_nothing(
    transport: Transport, is_aborted: bool
) -> None:
    patience = Patience()
    patience.seconds = 0.01
    slow_readers.close_in_time(transport, patience)  # type: ignore[arg-type]
    async with asyncio.timeout(proxies.PATIENCE):
        while transport.sizes != [0]:  # noqa: ASYNC110 (nobody tells of its looks)
            await asyncio.sleep(0.01)
    assert transport.is_aborted is is_aborted
    assert patience.lost_count == is_aborted


async def test_uninstall_restores_the_originals() -> None:
    def methods() -> list[Any]:
        return [
            server.ConnectionHandler.handle_connection,
            server.ConnectionHandler.drain_writers,
            layer.Layer.__init__,
            _http1.Http1Client.__init__,
            _http2.Http2Server.__init__,
        ]

    before = methods()
    undo = slow_readers.install(slow_readers.Default())
    assert not any(map(lambda a, b: a is b, before, methods()))
    undo()
    assert methods() == before


def test_what_nobody_has_kept() -> None:
    kept = slow_readers.Kept()
    client = connection.Client(peername=("x", 1), sockname=("y", 2))
    assert kept.from_client(client) == 0
    assert kept.from_upstream(client, connection.Server(address=("z", 3))) == 0
