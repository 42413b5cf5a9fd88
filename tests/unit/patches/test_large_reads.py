from __future__ import annotations

import asyncio
import inspect
from unittest import mock

import pytest
from mitmproxy import connection
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy import server
from mitmproxy.test import tflow

from claude_route.patches import large_reads

SENT = bytes(200_000)


class Handler(server.ConnectionHandler):
    async def handle_hook(self, hook: commands.StartHook) -> None:
        raise NotImplementedError


class Layer(layer.Layer):
    def __init__(self, whole: context.Context) -> None:
        super().__init__(whole)
        self.pieces: list[bytes] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self.pieces.append(event.data)
        yield from ()


@pytest.fixture(autouse=True)
def stock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what other tests have installed."""
    method = inspect.unwrap(server.ConnectionHandler.handle_connection)
    monkeypatch.setattr(server.ConnectionHandler, "handle_connection", method)


async def pieces(of: str) -> list[bytes]:
    """What reaches the layers of what a client or an upstream sends at once."""
    whole = context.Context(tflow.tclient_conn(), options.Options())
    whole.options.add_option("tcp_timeout", int, 600, "")
    running = Handler(whole)
    running.layer = receiving = Layer(whole)
    peer: connection.Connection = running.client
    if of == "upstream":
        peer = tflow.tserver_conn()
    reader = asyncio.StreamReader()
    reader.feed_data(SENT)
    reader.feed_eof()
    writer = mock.create_autospec(asyncio.StreamWriter, instance=True)
    running.transports[peer] = server.ConnectionIO(reader=reader, writer=writer)
    task = asyncio.create_task(running.handle_connection(peer))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return receiving.pieces


@pytest.mark.parametrize(("of", "count"), [("client", 1), ("upstream", 4)])
async def test_what_a_client_sent_comes_at_once(of: str, count: int) -> None:
    uninstall = large_reads.install()
    got = await pieces(of)
    uninstall()
    assert b"".join(got) == SENT
    assert len(got) == count


async def test_it_can_be_undone() -> None:
    large_reads.install()()
    assert len(await pieces("client")) == 4
