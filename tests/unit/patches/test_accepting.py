from __future__ import annotations

import asyncio
import socket
from unittest import mock

from mitmproxy import connection
from mitmproxy.proxy import mode_servers
from mitmproxy.proxy import mode_specs
from mitmproxy.test import taddons

from claude_route.patches import accepting


class Writer(asyncio.StreamWriter):
    """Of no socket."""

    def __init__(self) -> None:
        """Without a transport."""

    def __del__(self) -> None:
        """Nothing to close."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name.endswith("name") else default


async def test_who_is_asked_decides_whether_a_connection_is_served() -> None:
    served, asked = [], []

    async def serve(self: mode_servers.ProxyConnectionHandler) -> None:
        served.append(self)

    async def accept(
        client: connection.Client,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        serve: accepting.Serve,
    ) -> None:
        asked.append(reader)
        if len(asked) == 2:
            await serve()

    with (
        taddons.context() as tctx,
        mock.patch.object(mode_servers.ProxyConnectionHandler, "handle_client", serve),
    ):
        uninstall = accepting.install(accept)
        handler = mode_servers.ProxyConnectionHandler(
            tctx.master,
            asyncio.StreamReader(),
            Writer(),
            tctx.options,
            mode_specs.ProxyMode.parse("regular"),
        )
        await handler.handle_client()
        assert served == []
        await handler.handle_client()
        assert served == [handler]
        uninstall()
        await handler.handle_client()
        assert (len(asked), len(served)) == (2, 2)


async def test_few_connections_are_accepted_in_one_turn() -> None:
    uninstall = accepting.accept_few()
    begun: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(1)
        writer.close()

    try:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(30)]
        before, most = 0, 0
        while len(begun) < 30:
            await asyncio.sleep(0)
            most, before = max(most, len(begun) - before), len(begun)
        assert most <= accepting.IN_ONE_TURN
        for each in clients:
            each.close()
        server.close()
    finally:
        uninstall()
