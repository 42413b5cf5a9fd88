from __future__ import annotations

import asyncio
from unittest import mock

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
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, serve: accepting.Serve
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
