from __future__ import annotations

import asyncio

from mitmproxy import connection
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy import server
from mitmproxy.test import tflow

from claude_route.patches import client_tasks


class Handler(server.ConnectionHandler):
    async def handle_hook(self, hook: commands.StartHook) -> None:
        raise NotImplementedError


class Layer(layer.Layer):
    """Starts a task, and ends it when it is told to."""

    def __init__(self, whole: context.Context, work: client_tasks.Work) -> None:
        super().__init__(whole)
        self.task = connection.Server(address=("127.0.0.1", 1))
        self.work = work

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield client_tasks.RunTask(self.task, self.work)
        else:
            yield commands.CloseConnection(self.task)


def handler(work: client_tasks.Work) -> Handler:
    whole = context.Context(tflow.tclient_conn(), options.Options())
    whole.options.add_option("tcp_timeout", int, 600, "")
    made = Handler(whole)
    made.layer = Layer(whole, work)
    return made


async def test_a_task_runs_in_the_handler_until_it_ends() -> None:
    given = []

    async def work(of: server.ConnectionHandler) -> None:
        given.append(of)
        await asyncio.sleep(0)

    uninstall = client_tasks.install()
    running = handler(work)
    await running.server_event(events.Start())
    ((_, io),) = running.transports.items()
    assert io.handler
    await io.handler
    uninstall()
    assert given == [running]
    assert running.transports == {}


async def test_closing_its_connection_cancels_it() -> None:
    ended = []

    async def work(of: server.ConnectionHandler) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(of)

    uninstall = client_tasks.install()
    running = handler(work)
    await running.server_event(events.Start())
    ((task, io),) = running.transports.items()
    assert io.handler
    await asyncio.sleep(0)
    await running.server_event(events.ConnectionClosed(task))
    await asyncio.wait([io.handler])
    uninstall()
    assert ended == [running]
    assert running.transports == {}


async def test_uninstalled_it_is_gone() -> None:
    before = server.ConnectionHandler.open_connection
    client_tasks.install()()
    assert server.ConnectionHandler.open_connection is before
