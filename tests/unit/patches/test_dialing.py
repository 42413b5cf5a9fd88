from __future__ import annotations

import asyncio

from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy.addons import next_layer
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import server
from mitmproxy.test import taddons

from claude_route.patches import dialing
from tests.wire import proxies

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answered(dial: dialing.Dial, mode: str) -> bytes:
    """What a client gets from a listener in this mode."""
    running = proxyserver.Proxyserver()
    uninstall = dialing.install(dial)
    with taddons.context(running, next_layer.NextLayer()) as tctx:
        tctx.options.update(mode=[f"{mode}@127.0.0.1:0"], connection_strategy="lazy")
        assert await running.setup_servers()
        running.running()
        reader, writer = await asyncio.open_connection(*running.listen_addrs()[0][:2])
        async with asyncio.timeout(proxies.PATIENCE):
            writer.write(REQUEST)
            got = await reader.read()
        writer.close()
        ctx.options.update(server=False)
        await running.setup_servers()
    uninstall()
    return got


async def test_somebody_else_makes_the_connection() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    asked = []

    async def elsewhere(source: connection.Client, upstream: connection.Server) -> dialing.Streams:
        asked.append((source.peername is not None, upstream.address))
        return await asyncio.open_connection("127.0.0.1", port)

    async def nobody(source: connection.Client, upstream: connection.Server) -> None:
        return None

    async def refused(source: connection.Client, upstream: connection.Server) -> None:
        raise OSError("no way out")

    got = await answered(elsewhere, "reverse:http://upstream.invalid:9")
    assert got.startswith(b"HTTP/1.1 200")
    assert asked == [(True, ("upstream.invalid", 9))]
    assert (await answered(nobody, f"reverse:http://127.0.0.1:{port}")).startswith(b"HTTP/1.1 200")
    got = await answered(refused, "reverse:http://upstream.invalid:9")
    assert got.startswith(b"HTTP/1.1 502") and b"no way out" in got
    listener.close()


def test_uninstalled_it_is_gone() -> None:
    async def nobody(source: connection.Client, upstream: connection.Server) -> None:
        return None

    before = server.ConnectionHandler.open_connection, vars(server)["asyncio"]
    dialing.install(nobody)()
    assert (server.ConnectionHandler.open_connection, vars(server)["asyncio"]) == before
