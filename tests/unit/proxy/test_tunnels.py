from __future__ import annotations

import asyncio

import pytest
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import server
from mitmproxy.test import tflow

from claude_route.access import listener_modes
from claude_route.proxy import tunnels

OURS = listener_modes.allow_hosts(["api.anthropic.com"], ["reverse:http://[::1]:9000"])


@pytest.mark.parametrize(
    ("allowed", "ignored", "address", "expected"),
    [
        (OURS, [], ("api.anthropic.com", 443), False),
        (OURS, [], ("API.Anthropic.com", 8443), False),
        (OURS, [], ("::1", 443), False),
        (OURS, [], ("claude.ai", 443), True),
        (OURS, [], ("api.anthropic.com.example", 443), True),
        ([], [], ("claude.ai", 443), False),
        ([], ["claude"], ("claude.ai", 443), True),
        ([], ["claude"], ("api.anthropic.com", 443), False),
        (OURS, ["anthropic"], ("api.anthropic.com", 443), True),
    ],
)
def test_passes_unread(
    allowed: list[str], ignored: list[str], address: tuple[str, int], expected: bool
) -> None:
    opts = options.Options(allow_hosts=allowed, ignore_hosts=ignored)
    assert tunnels.passes_unread(address, opts) is expected


class Handler(server.ConnectionHandler):
    async def handle_hook(self, hook: commands.StartHook) -> None:
        raise NotImplementedError


class Watchdog(server.TimeoutWatchdog):
    """Its time is over at once."""

    def __init__(self) -> None:
        super().__init__(0, asyncio.Event().wait)
        self.activities = 0
        self.active = asyncio.Event()

    def register_activity(self) -> None:
        self.activities += 1
        self.active.set()


async def test_a_watchdog_that_sleeps_already_finds_an_activity() -> None:
    opts = options.Options()
    opts.add_option("tcp_timeout", int, 600, "")
    handler = Handler(context.Context(tflow.tclient_conn(), opts))
    handler.timeout_watchdog = watchdog = Watchdog()
    task = asyncio.create_task(tunnels.stay(handler))
    await watchdog.active.wait()
    assert not watchdog.can_timeout.is_set()
    task.cancel()
    await asyncio.wait([task])
    assert watchdog.can_timeout.is_set()
    assert watchdog.activities == 2
