from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy import optmanager
from mitmproxy.addons import next_layer
from mitmproxy.proxy import mode_servers
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import tls
from mitmproxy.test import taddons
from mitmproxy.tools.web import app
from mitmproxy.tools.web import master
from tornado import httpserver

from claude_route.patches import accepting
from claude_route.patches import addon
from claude_route.patches import digests
from claude_route.patches import exits
from claude_route.patches import fail_closed
from claude_route.patches import log_quotes

REPLACED: dict[str, Callable[[], Any]] = {
    "handle_connection": lambda: server.ConnectionHandler.handle_connection,
    "open_connection": lambda: server.ConnectionHandler.open_connection,
    "asyncio": lambda: vars(server)["asyncio"],
    "handle_client": lambda: mode_servers.ProxyConnectionHandler.handle_client,
    "Http1Server": lambda: layers.Http1Server,
    "tornado": lambda: vars(master)["tornado"],
    "get_client_hello": lambda: tls.get_client_hello,
    "_get_host_header": lambda: next_layer.NextLayer._get_host_header,
    "_ignore_connection": lambda: next_layer.NextLayer._ignore_connection,
    "prepare": lambda: app.RequestHandler.prepare,
    "dump_dicts": lambda: optmanager.dump_dicts,
    "filters": lambda: list(logging.getLogger(log_quotes.LOGGERS[0]).filters),
}


class Http1(layers.Http1Server):
    """Another class in place of mitmproxy's."""


class Web(httpserver.HTTPServer):
    """Another class in place of tornado's."""


async def serve(
    client: connection.Client,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    serve: accepting.Serve,
) -> None:
    await serve()


BOUNDS = addon.Bounds(serve, Http1, Web)

NOTHING_TO_HIDE = exits.Hiding(*[lambda value: value] * 4)


async def no_proxy(source: connection.Client, upstream: connection.Server) -> None:
    return None


class Nobody:
    def has_accepted(self, client: connection.Client) -> bool:
        return False

    def has_judged(self, server: connection.Server) -> bool:
        return False

    def succeeds(self, before: Any) -> None:
        pass


GATE = fail_closed.Gate(Nobody(), Nobody())


def replaced() -> dict[str, Any]:
    return {name: look() for name, look in REPLACED.items()}


def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo after the test what is never undone."""
    for of, name in (
        (layers.HttpLayer, "make_stream"),
        (mode_servers.ProxyConnectionHandler, "handle_hook"),
    ):
        monkeypatch.setattr(of, name, getattr(of, name))
    monkeypatch.setattr(fail_closed, "_installed", [])
    monkeypatch.setattr(addon, "_installed", [])


@pytest.fixture
def patches(monkeypatch: pytest.MonkeyPatch) -> addon.Patches:
    unchanged(monkeypatch)
    return addon.Patches(
        lambda context, id, parent: layers.HttpStream(context, id),
        no_proxy,
        lambda handler: None,
        lambda name, value: True,
        GATE,
        BOUNDS,
        NOTHING_TO_HIDE,
    )


def test_all_is_undone_but_what_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that no hook admits must not go through mitmproxy's own stream."""
    stock, before = layers.HttpLayer.make_stream, replaced()
    stock_hook = mode_servers.ProxyConnectionHandler.handle_hook
    unchanged(monkeypatch)
    with taddons.context() as tctx:
        patches = addon.Patches(
            lambda context, id, parent: layers.HttpStream(context, id),
            no_proxy,
            lambda handler: None,
            lambda name, value: True,
            GATE,
            BOUNDS,
            NOTHING_TO_HIDE,
        )
        patches.running()
        during = replaced()
        assert [name for name in REPLACED if during[name] == before[name]] == []
        assert "trigger_event" in vars(tctx.master.addons)
        patches.done()
        assert replaced() == before
        assert "trigger_event" not in vars(tctx.master.addons)
        assert layers.HttpLayer.make_stream is not stock
        assert mode_servers.ProxyConnectionHandler.handle_hook is not stock_hook


def test_one_warning_names_what_has_changed(
    patches: addon.Patches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known, other = digests.CODE[0], digests.CODE[1]._replace(digest="0" * 12)
    monkeypatch.setattr(digests, "CODE", (known, other))
    with taddons.context():
        patches.running()
        patches.done()
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert other.name in warning.message
    assert known.name not in warning.message


def test_no_warning_about_a_version_that_is_known(
    patches: addon.Patches, caplog: pytest.LogCaptureFixture
) -> None:
    with taddons.context():
        patches.running()
        patches.done()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_those_of_a_script_that_could_not_be_loaded_are_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unchanged(monkeypatch)
    before = replaced()

    def made() -> addon.Patches:
        return addon.Patches(
            lambda context, id, parent: layers.HttpStream(context, id),
            no_proxy,
            lambda handler: None,
            lambda name, value: True,
            GATE,
            BOUNDS,
            NOTHING_TO_HIDE,
        )

    made()
    made().done()
    assert replaced() == before
