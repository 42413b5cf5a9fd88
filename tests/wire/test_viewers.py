"""What a viewer may do in mitmweb, even with `web_readonly`, takes the proxy neither time nor memory."""

from __future__ import annotations

import json
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


async def search(web: mitmweb.Web, expression: str) -> dict[str, Any]:
    """What mitmweb answers to a search."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in web.api.cookies.jar)
    url = web.url.replace("http", "ws") + "/updates"
    client = await websocket.websocket_connect(
        httpclient.HTTPRequest(url, headers={"Cookie": cookies})
    )
    try:
        payload = {"name": "search", "expr": expression}
        await client.write_message(json.dumps({"type": "flows/updateFilter", "payload": payload}))
        while (text := await client.read_message()) is not None:
            message: dict[str, Any] = json.loads(text)
            if message["type"] == "flows/filterUpdate":
                return dict(message["payload"])
        return {}
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
