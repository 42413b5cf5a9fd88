from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy import ctx
from mitmproxy.addons import next_layer
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import server
from mitmproxy.test import taddons

from claude_route.patches import unclosed
from tests.wire import proxies

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Running:
    """A reverse proxy in this process, with an upstream that never answers."""

    def __init__(self) -> None:
        self.server = proxyserver.Proxyserver()
        self.upstream: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self.upstream = asyncio.Queue()

    async def accept(self, *streams: Any) -> None:
        await self.upstream.put(streams)

    @property
    def port(self) -> int:
        port: int = self.server.listen_addrs()[0][1]
        return port


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    listener = await asyncio.start_server(running.accept, "127.0.0.1", 0)
    uninstall = unclosed.install()
    behind = listener.sockets[0].getsockname()[1]
    with taddons.context(running.server, next_layer.NextLayer()) as tctx:
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


async def test_a_client_that_leaves_just_as_its_upstream_is_connected(running: Running) -> None:
    class Slow:
        async def server_connected(self, data: object) -> None:
            await asyncio.Event().wait()

    ctx.master.addons.add(Slow())
    _, client = await asyncio.open_connection("127.0.0.1", running.port)
    client.write(REQUEST)
    async with asyncio.timeout(proxies.PATIENCE):
        reader, writer = await running.upstream.get()
        client.close()
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_a_connection_that_is_given_up_while_it_waits_for_its_turn(
    running: Running, side: str
) -> None:
    from_us, client = await asyncio.open_connection("127.0.0.1", running.port)
    client.write(REQUEST)
    async with asyncio.timeout(proxies.PATIENCE):
        reader, upstream = await running.upstream.get()
        await reader.readuntil(b"\r\n\r\n")
        (handler,) = running.server.connections.values()
        (given_up,) = (
            each for each in handler.transports if (each is handler.client) == (side == "client")
        )
        task = handler.transports[given_up].handler
        assert task
        await handler._server_event_lock.acquire()
        (client if side == "client" else upstream).write(b"x")
        while not handler._server_event_lock._waiters:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        handler._server_event_lock.release()
        assert await (from_us if side == "client" else reader).read() == b""
    client.close()
    upstream.close()


async def test_uninstall_restores_the_original() -> None:
    before = server.ConnectionHandler.handle_connection
    unclosed.install()()
    assert server.ConnectionHandler.handle_connection is before
