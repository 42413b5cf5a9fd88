"""Connections that all clients share, and what is on the way to a provider."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

import simulator
from tests import listening
from tests.wire import corporate
from tests.wire import pairs
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]
COLD = ["--set", "warm_connections=false"]


def test_new_clients_share_connections(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url), behind=sim.url)
    for number in range(103):
        with proxy.client() as client:
            model = "glm" if number % 2 else "claude-x"
            assert pairs.post(client, model=model).status_code == 200
    assert len({request.connection for request in sim.requests}) <= 5


def test_clients_with_logins_of_their_own_share_none(
    start: Start, sim: simulator.Simulator
) -> None:
    proxy = start(proxies.profile(sim.url), behind=sim.url, arguments=COLD)
    connections = []
    for name in ("alice", "bob", "alice"):
        with proxy.client(headers={"x-api-key": f"sk-ant-api03-{name * 4}-0000"}) as client:
            assert pairs.post(client, model="claude-x").status_code == 200
        connections.append(sim.requests[-1].connection)
    assert connections[0] == connections[2] != connections[1]


def read(client: socket.socket) -> tuple[bytes, bytes]:
    """A request: its header section and its body."""
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536) or b"\r\n\r\n"
    head, _, body = head.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += listening.more(client)
    return head, body


BODY = b'{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{}}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


def test_a_kept_connection_that_was_closed_costs_nothing(start: Start) -> None:
    with pairs.Odd([ANSWER, b""], [ANSWER, b""], [ANSWER]) as odd:
        proxy = start(proxies.profile(odd.url), behind=odd.url, arguments=COLD)
        with proxy.client() as client:
            for _ in range(3):
                response = pairs.post(client, model="glm")
                assert response.status_code == 200
                assert response.headers["x-route-attempts"] == "1"
    assert odd.connections == 3


def test_the_address_that_connections_come_from(start: Start) -> None:
    with pairs.Odd([ANSWER], [ANSWER]) as odd:
        arguments = [*COLD, "--set", "connect_addr=127.0.0.2"]
        proxy = start(proxies.profile(odd.url), behind=odd.url, arguments=arguments)
        with proxy.client() as client:
            assert pairs.post(client, model="glm").status_code == 200
            passed = client.get("/api/hello")  # passes through, mitmproxy's own way
            assert passed.status_code == 200, passed.text
    assert odd.hosts == ["127.0.0.2"] * 2


# On the way: a company's proxy, and its CA


@pytest.fixture
def company() -> Iterator[corporate.Corporate]:
    made = corporate.Corporate()
    yield made
    made.close()


@pytest.fixture
def private() -> Iterator[simulator.Simulator]:
    """A provider whose certificate a company has signed."""
    with simulator.Simulator(tls=True) as sim:
        yield sim


def test_a_private_ca(start: Start, private: simulator.Simulator) -> None:
    proxy = start(
        proxies.profile(private.url),
        behind=private.url,
        environ={"SSL_CERT_FILE": str(private.ca)},
    )
    with proxy.client() as client:
        assert pairs.post(client, model="glm").status_code == 200
    assert {request.http for request in private.requests} == {"1.1"}


def test_without_it_the_error_says_what_to_set(start: Start, private: simulator.Simulator) -> None:
    proxy = start(proxies.profile(private.url), behind=private.url)
    with proxy.client() as client:
        response = pairs.post(client, model="glm")
    assert response.status_code == 502
    assert "SSL_CERT_FILE" in response.json()["error"]["message"]


@pytest.mark.parametrize("source", ["environment", "profile", "mode"])
def test_a_proxy_on_the_way(
    start: Start, sim: simulator.Simulator, company: corporate.Corporate, source: str
) -> None:
    url = f"http://me:hush-hush@127.0.0.1:{company.port}"
    named = proxies.profile(f"http://provider.example:{sim.port}")
    environ, arguments, upstream = {}, COLD, None
    if source == "environment":
        environ = {"HTTP_PROXY": url}
    elif source == "profile":
        named["upstream_proxy"] = url
        environ = {"HTTP_PROXY": "http://nobody.example:1"}
    else:
        upstream = company.url
        arguments = [*COLD, "--set", "upstream_auth=me:hush-hush"]
    proxy = start(named, environ=environ, arguments=arguments, upstream=upstream)
    with proxy.client() as client:
        assert pairs.post(client, model="glm").status_code == 200
    line = f"POST http://provider.example:{sim.port}/provider/zai/v1/messages"
    assert [
        (asked.partition("?")[0].removesuffix(" HTTP/1.1"), who) for asked, who in company.requests
    ] == [(line, "me:hush-hush")]
    assert "hush" not in proxy.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_tunnel_through_it(
    start: Start, private: simulator.Simulator, tmp_path: Path, scheme: str
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    roots = tmp_path / "company.pem"
    roots.write_bytes(private.ca.read_bytes() + authority.cert_pem.bytes())
    company = corporate.Corporate(context if scheme == "https" else None)
    named = proxies.profile(private.url)
    named["upstream_proxy"] = f"{scheme}://me:hush-hush@127.0.0.1:{company.port}"
    proxy = start(named, arguments=COLD, environ={"SSL_CERT_FILE": str(roots)})
    with proxy.client() as client:
        for _ in range(2):
            assert pairs.post(client, model="glm").status_code == 200
    host = private.url.removeprefix("https://")
    assert company.requests == [(f"CONNECT {host} HTTP/1.1", "me:hush-hush")]
    company.close()


def test_a_proxy_that_wants_another_password(start: Start, sim: simulator.Simulator) -> None:
    with pairs.Odd([b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n"]) as odd:
        named = proxies.profile("https://provider.example")
        named["upstream_proxy"] = odd.url.replace("://", "://me:hush-hush@")
        proxy = start(named, arguments=COLD)
        with proxy.client() as client:
            response = pairs.post(client, model="glm")
    assert response.status_code == 502
    assert "407" in response.json()["error"]["message"]
    assert "hush" not in response.text + proxy.close()


# A client that reads slowly


@pytest.mark.soak
@pytest.mark.parametrize(
    "listener", [pairs.reverse, pairs.tunnel, pairs.http2], ids=["reverse", "tunnel", "http2"]
)
def test_a_client_that_reads_nothing_costs_no_memory(
    start: Start, listener: Callable[[Any], httpx.Client]
) -> None:
    flood = Flood()
    proxy = start(proxies.profile(flood.url), behind=flood.url, arguments=COLD)
    pair = pairs.Pair(None, proxy, iter(()))  # type: ignore[arg-type]
    for _ in range(2):  # what is loaded on first use is loaded
        with listener(pair) as client:
            stream_for(client, 1.0, proxy)
    before = resident(proxy)
    with listener(pair) as client:
        after = stream_for(client, 60.0, proxy)
    assert flood.sent < 50_000_000, "the upstream waits"
    assert after - before <= 8_000_000, "of the 100 MB that the upstream has"
    flood.close()


def stream_for(client: httpx.Client, seconds: float, proxy: proxies.Proxy) -> int:
    """The proxy's memory, in bytes, after a client has left a stream unread for that long."""
    request = proxies.message("glm", stream=True)
    url = "https://api.anthropic.com/v1/messages"
    with client.stream("POST", url, json=request) as response:
        pieces = response.iter_raw()  # kept: without it, httpx closes the connection
        assert next(pieces)
        time.sleep(seconds)
        return resident(proxy)


def resident(proxy: proxies.Proxy) -> int:
    """Bytes in memory."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


class Flood(listening.Listener):
    """An upstream that sends events as fast as it can, 100 MB to each."""

    def __init__(self) -> None:
        self.sent = 0
        super().__init__(self._flood)

    def _flood(self, client: socket.socket) -> None:
        event = (
            b"event: content_block_delta\n"
            b'data: {"type":"content_block_delta","index":0,"delta":'
            b'{"type":"text_delta","text":"%s"}}\n\n'
        ) % (b"x" * 4000)
        start = (
            b'event: message_start\ndata: {"type":"message_start","message":'
            b'{"model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
        )
        read(client)
        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + start)
        self.sent = 0
        while self.sent < 100_000_000:
            client.sendall(event)
            self.sent += len(event)
