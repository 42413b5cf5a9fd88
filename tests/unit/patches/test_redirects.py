from __future__ import annotations

import asyncio

from mitmproxy import ctx
from mitmproxy.addons import next_layer
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import server
from mitmproxy.proxy import server_hooks
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.patches import redirects
from tests.wire import proxies

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Redirect:
    def __init__(self, port: int) -> None:
        self.port = port
        self.addresses: list[object] = []

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        data.server.address = ("127.0.0.1", self.port)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        redirects.restore(data.server)
        self.addresses.append((data.server.address, data.server.peername))


async def test_a_redirected_connection_is_used_again() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    running = proxyserver.Proxyserver()
    uninstall = redirects.install()
    with taddons.context(running, next_layer.NextLayer()) as tctx:
        redirect = Redirect(port)
        ctx.master.addons.add(redirect)
        mode = "reverse:http://upstream.invalid:9@127.0.0.1:0"
        tctx.options.update(mode=[mode], connection_strategy="lazy")
        assert await running.setup_servers()
        running.running()
        reader, writer = await asyncio.open_connection(*running.listen_addrs()[0][:2])
        async with asyncio.timeout(proxies.PATIENCE):
            for _ in range(8):  # mitmproxy opens five at most to one address
                writer.write(REQUEST)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(2) == b"ok"
        writer.close()
        tctx.options.update(server=False)
        await running.setup_servers()
    uninstall()
    listener.close()
    assert redirect.addresses == [(("upstream.invalid", 9), ("127.0.0.1", port))]


async def test_another_connection_of_the_same_task_stays_as_it_is() -> None:
    conn = tflow.tserver_conn()
    before = conn.address
    redirects.restore(conn)
    assert conn.address == before


def test_uninstalled_it_is_gone() -> None:
    before = server.ConnectionHandler.open_connection
    redirects.install()()
    assert server.ConnectionHandler.open_connection is before
