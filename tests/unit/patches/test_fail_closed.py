from __future__ import annotations

import contextlib
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.proxy import mode_servers
from mitmproxy.proxy import server_hooks
from mitmproxy.test import tflow

from claude_route.patches import fail_closed


class Hooks:
    """What has accepted some connections."""

    def __init__(self, *accepted: connection.Connection) -> None:
        self.accepted = accepted
        self.before: Any = None

    def has_accepted(self, client: connection.Client) -> bool:
        return client in self.accepted

    def has_judged(self, server: connection.Server) -> bool:
        return server in self.accepted

    def succeeds(self, before: Any) -> None:
        self.before = before


@pytest.mark.parametrize("is_accepted", [True, False])
@pytest.mark.parametrize("error", [None, "refused"])
def test_what_no_hook_has_accepted(is_accepted: bool, error: str | None) -> None:
    client, server = tflow.tclient_conn(), tflow.tserver_conn()
    client.error = server.error = error
    hooks = Hooks(client, server) if is_accepted else Hooks()
    gate = fail_closed.Gate(hooks, hooks)
    gate.check(server_hooks.ClientConnectedHook(client))
    data = server_hooks.ServerConnectionHookData(server, client)
    gate.check(server_hooks.ServerConnectHook(data))
    assert client.error == server.error == (error if is_accepted else error or fail_closed.NOBODY)
    gate.check(server_hooks.ServerDisconnectedHook(data))


class Broken(Hooks):
    def has_accepted(self, client: connection.Client) -> bool:
        raise RuntimeError

    def has_judged(self, server: connection.Server) -> bool:
        raise RuntimeError


async def test_where_the_look_itself_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, rather than left waiting."""

    async def nothing(*args: object) -> None:
        pass

    handler = mode_servers.ProxyConnectionHandler
    monkeypatch.setattr(handler, "handle_hook", handler.handle_hook)
    monkeypatch.setattr(fail_closed, "_installed", [])
    monkeypatch.setattr(fail_closed, "_STOCK", nothing)
    fail_closed.install(fail_closed.Gate(Broken(), Broken()))
    client, server = tflow.tclient_conn(), tflow.tserver_conn()
    data = server_hooks.ServerConnectionHookData(server, client)
    for hook in (server_hooks.ClientConnectedHook(client), server_hooks.ServerConnectHook(data)):
        with contextlib.suppress(AttributeError):  # there is no transport to part from
            await handler.handle_hook(Any, hook)  # type: ignore[arg-type]
    assert client.error == server.error == fail_closed.NOBODY


def test_the_last_one_counts_and_knows_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = mode_servers.ProxyConnectionHandler
    monkeypatch.setattr(handler, "handle_hook", handler.handle_hook)
    monkeypatch.setattr(fail_closed, "_installed", [])
    first, second = Hooks(), Hooks()
    fail_closed.install(fail_closed.Gate(first, first))
    once = handler.handle_hook
    fail_closed.install(fail_closed.Gate(second, second))
    assert (first.before, second.before) == (None, first)
    # One around mitmproxy's own, rather than around each other.
    assert vars(once)["__wrapped__"] is vars(handler.handle_hook)["__wrapped__"]
