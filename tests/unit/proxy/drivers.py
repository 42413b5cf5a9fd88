"""One client connection whose bytes, upstreams and clock are controlled by the test."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any

from mitmproxy import connection
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow

from claude_route.profile import profiles
from claude_route.proxy import upstreams
from claude_route.proxy.upstream import client
from tests import clocks

TURNS = 40
"""Of the event loop, in which whatever can happen on loopback has happened."""


async def settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def reach(
    clock: clocks.Timers, profile: Callable[[], profiles.Profile | None] = lambda: None
) -> upstreams.Upstreams:
    """With a client for which time stands still."""
    return upstreams.Upstreams(
        profile, make_client=lambda watcher: client.Client(clock=clock, watcher=watcher)
    )


class Socket(asyncio.Transport):
    """The client's: what is written is sent, unless it reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.unread = 0
        """Bytes that wait for the client to read them."""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


class ClientTask:
    """Stands for the task that reads from the client, which ends when it is cancelled."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def cancel(self, why: str = "") -> None:
        self.driver.socket.is_closed = True


class Handler(server.ConnectionHandler):
    """Mitmproxy's own, without sockets."""

    def __init__(self, driver: Driver, alpn: bytes, options: options.Options) -> None:
        source = tflow.tclient_conn()
        source.state = connection.ConnectionState.OPEN
        source.alpn = alpn
        whole = context.Context(source, options)
        super().__init__(whole)
        self.driver = driver
        self.layer = layers.HttpLayer(whole, layers.HTTPMode.regular)

    async def handle_hook(self, hook: commands.StartHook) -> None:
        self.driver.hooks.append(hook.name)
        for act in self.driver.on_hook.get(hook.name, ()):
            await act(*hook.args())


class Driver:
    """Runs the layer in a real connection handler, and plays the upstream, on loopback."""

    def __init__(
        self, clock: clocks.Timers, options: options.Options, alpn: bytes = b"http/1.1"
    ) -> None:
        """`alpn` is the client's protocol."""
        self.clock = clock
        self.hooks: list[str] = []
        self.on_hook: dict[str, list[Any]] = {}
        self.socket = Socket()
        self.handler = Handler(self, alpn, options)
        self.client = self.handler.client
        reader = asyncio.StreamReader()
        self.protocol = asyncio.StreamReaderProtocol(reader)
        writer = asyncio.StreamWriter(
            self.socket, self.protocol, reader, asyncio.get_running_loop()
        )
        self.handler.transports[self.client] = server.ConnectionIO(
            handler=ClientTask(self),  # type: ignore[arg-type]
            reader=reader,
            writer=writer,
        )
        self.upstreams: list[Upstream] = []
        self.listener: asyncio.Server
        self.port: int

    async def start(self) -> None:
        self.listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]
        await self.handler.server_event(events.Start())

    async def stop(self) -> None:
        self.listener.close()
        await self._end()
        for upstream in self.upstreams:
            upstream.writer.close()
        await settle()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = Upstream(reader, writer)
        self.upstreams.append(upstream)
        await upstream.listen()

    @property
    def answer(self) -> bytes:
        """What the client has received."""
        return self.socket.sent

    # What others do

    async def ask(self, data: bytes) -> None:
        await self.handler.server_event(events.DataReceived(self.client, data))
        await settle()

    async def leave(self) -> None:
        self.client.state &= ~connection.ConnectionState.CAN_READ
        await self.handler.server_event(events.ConnectionClosed(self.client))
        await self._end()
        await settle()

    async def _end(self) -> None:
        """As mitmproxy does it once the client has gone."""
        tasks = [
            io.handler for each, io in self.handler.transports.items() if each is not self.client
        ]
        for task in filter(None, tasks):
            task.cancel()
        if tasks:
            await asyncio.wait([task for task in tasks if task])

    async def say(self, data: bytes, upstream: int = -1) -> None:
        self.upstreams[upstream].writer.write(data)
        await settle()

    async def hang_up(self, upstream: int = -1) -> None:
        self.upstreams[upstream].writer.close()
        await settle()

    async def wait(self, seconds: float) -> None:
        """Advance the clock."""
        self.clock.advance(seconds)
        await settle()


class Upstream:
    """One connection, from the upstream's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.asked = b""
        self.is_left = False
        """The proxy has closed it."""

    async def listen(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.reader.read(65536):
                self.asked += data
        self.is_left = True

    @property
    def requests(self) -> int:
        return len(re.findall(rb" HTTP/1\.1\r\n", self.asked))
