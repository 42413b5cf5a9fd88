"""What a viewer may do in mitmweb, even with `web_readonly`, takes the proxy neither time nor memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from tornado import httpclient
from tornado import websocket

from tests.wire import mitmweb
from tests.wire import proxies
from tests.wire import test_bodies as bodies

Start = Callable[..., proxies.Proxy]


@pytest.fixture
def web(start: Start) -> mitmweb.Web:
    upstream = bodies.Upstream()
    upstream.answer = bodies.GOOD
    profile = proxies.profile(upstream.url, pool={"tokens": list(proxies.POOL[:1])})
    return mitmweb.Web(start, profile, web_readonly="true")


def cookies(web: mitmweb.Web) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in web.api.cookies.jar)


async def connected(web: mitmweb.Web) -> websocket.WebSocketClientConnection:
    url = web.url.replace("http", "ws") + "/updates"
    request = httpclient.HTTPRequest(url, headers={"Cookie": cookies(web)})
    return await websocket.websocket_connect(request)


async def look_for(client: websocket.WebSocketClientConnection, expression: str) -> dict[str, Any]:
    """What mitmweb answers to a search."""
    payload = {"name": "search", "expr": expression}
    await client.write_message(json.dumps({"type": "flows/updateFilter", "payload": payload}))
    return await read_until(client, "flows/filterUpdate")


async def read_until(client: websocket.WebSocketClientConnection, kind: str) -> dict[str, Any]:
    """What the next message of a kind says; nothing if the connection ends before."""
    while (text := await client.read_message()) is not None:
        message: dict[str, Any] = json.loads(text)
        if message["type"] == kind:
            return dict(message["payload"])
    return {}


async def search(web: mitmweb.Web, expression: str) -> dict[str, Any]:
    client = await connected(web)
    try:
        return await look_for(client, expression)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('~bq "(a+)+$"', 0),
        ('~bq "(a|aa)+$" | ~bs "(.*)*%"', 0),
        ("( " * 12 + "~bq aaa" + " )" * 12, 1),
        ('~bq "a!"', 1),
    ],
)
async def test_a_search(web: mitmweb.Web, expression: str, found: int) -> None:
    body = json.dumps(proxies.message(text="a" * 40 + "!")).encode()
    assert bodies.send(web.proxy.reverse_port, bodies.post(body))[9:12] == b"200"
    with bodies.Meanwhile(web.proxy.reverse_port) as meanwhile:
        answer = await search(web, expression)
        bodies.send(web.proxy.reverse_port, bodies.post(body))
    assert len(answer["matching_flow_ids"]) == found
    assert meanwhile.worst < bodies.WAIT * bodies.SLACK


async def test_many_terms_in_a_large_body(web: mitmweb.Web) -> None:
    """In the search, and each time that a flow changes while the search stands."""
    expression = " | ".join(f"~b b.*a.*[{letter}9].*[0-8]" for letter in "cdefghijklmnopqr")
    body = json.dumps(proxies.message(text="ab " * (8 * bodies.MB))).encode()
    port = web.proxy.reverse_port
    assert bodies.send(port, bodies.post(body))[9:12] == b"200"
    client = await connected(web)
    try:
        with bodies.Meanwhile(port) as meanwhile:
            assert (await look_for(client, expression))["matching_flow_ids"] == []
            answer = await asyncio.to_thread(bodies.send, port, bodies.post(body))
            assert answer[9:12] == b"200"
            added = await read_until(client, "flows/add")
        assert added["matching_filters"] == {"search": False}
        assert meanwhile.worst < bodies.WAIT * bodies.SLACK
    finally:
        client.close()


def test_viewers_that_do_not_read(web: mitmweb.Web) -> None:
    """What mitmweb keeps for them has an end."""
    port = web.proxy.reverse_port
    fields = b"\r\n".join(b"x-%d: %b" % (number, b"v" * 1000) for number in range(50))
    wire = bodies.post(json.dumps(proxies.message()).encode(), fields)

    def growth() -> int:
        before = bodies.memory(web.proxy)
        for _ in range(150):
            assert bodies.send(port, wire)[9:12] == b"200"
        return bodies.memory(web.proxy) - before

    growth()
    without = growth()
    with contextlib.ExitStack() as viewers:
        for _ in range(10):
            viewer = socket.create_connection(("127.0.0.1", web.port), proxies.PATIENCE)
            viewers.enter_context(viewer)
            viewer.sendall(
                b"GET /updates HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nupgrade: websocket\r\n"
                b"connection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                b"sec-websocket-version: 13\r\ncookie: %b\r\n\r\n"
                % (web.port, cookies(web).encode())
            )
            assert b" 101 " in viewer.recv(20)
        with_them = growth()
    # Some 500 MB, if nothing were dropped.
    assert with_them - without < 150


async def test_a_search_that_is_refused(web: mitmweb.Web) -> None:
    for expression in ("~b (?=a)", "~u x " * 200, "(" * 400):
        assert await search(web, expression) == {}
        assert web.api.get("/flows").status_code == 200


@pytest.mark.parametrize("encoding", ["zstd", "zstd, zstd", "identity"])
async def test_a_body_that_is_looked_at(web: mitmweb.Web, encoding: str) -> None:
    body = b"[" + b"1," * (4 * bodies.MB) + b"1]"
    if encoding != "identity":
        body = zstandard.compress(bodies.zeros(1000))
    field = b"content-encoding: " + encoding.encode()
    bodies.send(web.proxy.reverse_port, bodies.post(body, field))
    (flow,) = web.flows()
    with bodies.Meanwhile(web.proxy.reverse_port) as meanwhile:
        await search(web, "~b x")
        for path in ("content/auto.json?lines=80", "content/json.json", "content/hex%20dump.json"):
            assert web.api.get(f"/flows/{flow['id']}/request/{path}").status_code == 200
    assert meanwhile.worst < bodies.WAIT * bodies.SLACK
    assert bodies.memory(web.proxy) < 600


async def test_a_kind_that_the_client_made_up(web: mitmweb.Web) -> None:
    body = b'"\\' * 20_000
    bodies.send(web.proxy.reverse_port, bodies.post(body, b"content-type: text/javascript"))
    (flow,) = web.flows()
    with bodies.Meanwhile(web.proxy.reverse_port) as meanwhile:
        for view in ("auto", "viewcss", "javascript"):
            path = f"/flows/{flow['id']}/request/content/{view}.json"
            assert "too long to be formatted" in web.api.get(path).text
    assert meanwhile.worst < bodies.WAIT * bodies.SLACK
