from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers import tls
from mitmproxy.proxy.layers.http import _http_h2
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from OpenSSL import SSL

from claude_route.patches import slow_readers
from claude_route.proxy import client_writer
from tests import clocks
from tests.unit.proxy import drivers
from tests.unit.proxy.upstream import certificates


class Unknown(layer.Layer):
    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()


class Way:
    """From a stream that answers to a client's socket, with these layers above."""

    def __init__(self, tctx: taddons.context, *above: type[layer.Layer]) -> None:
        self.patience = slow_readers.Default()
        self.driver = drivers.Driver(clocks.Timers(), tctx.options)
        whole = context.Context(self.driver.client, tctx.options)
        for kind in above:
            kind(whole)
        self.parent = layers.HttpLayer(whole, layers.HTTPMode.regular)
        self.parent.connections[self.driver.client] = layers.Http1Server(whole.fork())
        self.stream = layers.HttpStream(whole.fork(), 1)
        self.stream.flow = tflow.tflow(resp=True)
        assert self.stream.flow.response
        self.response = self.stream.flow.response
        self.response.stream = True
        self.response.headers["transfer-encoding"] = "chunked"
        self.stream.server_state = self.stream.state_stream_response_body

    def writer(self) -> client_writer.ClientWriter:
        return client_writer.ClientWriter(
            self.stream, self.parent, self.driver.handler, self.patience
        )

    @property
    def sent(self) -> bytes:
        return self.driver.socket.sent


@pytest.fixture
def tctx() -> Iterator[taddons.context]:
    with taddons.context(proxyserver.Proxyserver()) as tctx:
        yield tctx


@pytest.fixture
async def way(tctx: taddons.context) -> Way:
    return Way(tctx, modes.ReverseProxy)


async def test_what_is_sent_is_framed(way: Way) -> None:
    writer = way.writer()
    assert writer.is_direct and writer.is_free
    writer.send(b"data: 1\n\n")
    writer.send(b"")
    assert way.sent == b"9\r\ndata: 1\n\n\r\n"


async def test_the_writes_of_a_turn_are_joined(way: Way) -> None:
    client_writer.join_writes(way.driver.handler)
    client_writer.join_writes(way.driver.handler)
    writer = way.driver.handler.transports[way.driver.client].writer
    assert isinstance(writer, asyncio.StreamWriter)
    for _ in range(2):
        writer.write(b"head ")
        writer.write(b"body ")
        assert not way.driver.socket.writes
        await asyncio.sleep(0)
        assert way.driver.socket.writes.pop() == b"head body "


@pytest.mark.parametrize("after", ["event", "close", "drain"])
async def test_they_come_before_all_that_comes_after(way: Way, after: str) -> None:
    client_writer.join_writes(way.driver.handler)
    writer = way.driver.handler.transports[way.driver.client].writer
    assert isinstance(writer, asyncio.StreamWriter)
    writer.write(b"head ")
    match after:
        case "event":
            way.writer().send(b"x")
        case "close":
            writer.close()
        case "drain":
            await writer.drain()
    assert way.sent.startswith(b"head ")
    writer.write(b"late")
    way.driver.socket.is_closed = True
    await asyncio.sleep(0)
    assert b"late" not in way.sent


async def test_what_is_yet_to_be_written_counts(way: Way) -> None:
    writer = way.writer()
    stream = way.driver.handler.transports[way.driver.client].writer
    assert isinstance(stream, asyncio.StreamWriter)
    stream.write(b"x" * (client_writer.HIGH + 1))
    assert writer.is_full
    await asyncio.sleep(0)
    assert not writer.is_full


async def test_without_chunks_it_goes_as_it_is(way: Way) -> None:
    del way.response.headers["transfer-encoding"]
    way.writer().send(b"data: 1\n\n")
    assert way.sent == b"data: 1\n\n"


@pytest.mark.parametrize("tapped", [b"x", [b"", b"x"], (b"x",)], ids=repr)
async def test_an_addon_that_changes_what_streams(way: Way, tapped: Any) -> None:
    seen = []

    def tap(data: bytes) -> Any:
        seen.append(data)
        return tapped

    way.response.stream = tap
    way.writer().send(b"data")
    assert seen == [b"data"]
    assert way.sent == b"1\r\nx\r\n"


async def test_an_addon_that_takes_all_away(way: Way) -> None:
    way.response.stream = lambda data: []
    way.writer().send(b"data")
    assert way.sent == b""


async def test_nothing_is_written_to_who_has_gone(way: Way) -> None:
    way.driver.socket.is_closed = True
    way.writer().send(b"data")
    assert way.sent == b""


async def test_a_layer_that_it_does_not_know(tctx: taddons.context) -> None:
    assert not Way(tctx, modes.ReverseProxy, Unknown).writer().is_direct


async def test_bodies_that_mitmproxy_is_to_store(tctx: taddons.context) -> None:
    tctx.options.store_streamed_bodies = True
    assert not Way(tctx).writer().is_direct


async def test_a_client_without_a_socket(way: Way) -> None:
    """As when a flow is replayed."""
    way.driver.handler.transports.clear()
    writer = way.writer()
    assert not writer.is_direct
    assert not writer.is_full


async def test_an_http2_client(way: Way) -> None:
    framing = layers.Http2Server(way.parent.context.fork())
    way.parent.connections[way.driver.client] = framing
    writer = way.writer()
    assert not writer.is_direct
    assert not writer.is_full
    buffered = framing.h2_conn.stream_buffers[1]
    buffered.append(_http_h2.SendH2Data(b"x" * (client_writer.HIGH + 1), False))
    assert writer.is_full
    asyncio.get_running_loop().call_later(2 * slow_readers.LOOK, buffered.clear)
    assert await writer.drain()
    assert not writer.is_full


@pytest.mark.parametrize("what", ["paused", "queued", "above paused", "error", "over"])
async def test_what_has_to_go_through_the_layers(way: Way, what: str) -> None:
    writer = way.writer()
    match what:
        case "paused":
            way.stream._paused = layer.Paused(None, iter(()))  # type: ignore[arg-type]
        case "queued":
            way.stream._paused_event_queue.append(events.Start())
        case "above paused":
            way.parent._paused = layer.Paused(None, iter(()))  # type: ignore[arg-type]
        case "error":
            way.stream.flow.kill()
        case "over":
            way.stream.server_state = way.stream.state_done
    assert not writer.is_free


async def test_a_client_that_does_not_read(way: Way) -> None:
    writer = way.writer()
    way.driver.socket.unread = client_writer.HIGH
    assert not writer.is_full
    way.driver.socket.unread += 1
    assert writer.is_full
    way.driver.protocol.pause_writing()
    draining = asyncio.create_task(writer.drain())
    await drivers.settle()
    assert not draining.done()
    way.driver.protocol.resume_writing()
    assert await draining


async def test_a_client_that_reads_nothing_for_long(way: Way) -> None:
    way.patience.seconds = 0.01
    way.driver.socket.unread = client_writer.HIGH + 1
    way.driver.protocol.pause_writing()
    assert not await way.writer().drain()
    assert way.driver.socket.is_closed


async def test_an_http2_client_that_reads_nothing_for_long(way: Way) -> None:
    way.patience.seconds = 0.01
    framing = layers.Http2Server(way.parent.context.fork())
    way.parent.connections[way.driver.client] = framing
    data = _http_h2.SendH2Data(b"x" * (client_writer.HIGH + 1), False)
    framing.h2_conn.stream_buffers[1].append(data)
    assert not await way.writer().drain()
    assert not way.driver.socket.is_closed, "other streams go on"


async def test_a_client_that_leaves_is_waited_for_no_longer(way: Way) -> None:
    way.driver.protocol.pause_writing()
    draining = asyncio.create_task(way.writer().drain())
    await drivers.settle()
    way.driver.protocol.connection_lost(ConnectionResetError())
    await draining


@pytest.mark.parametrize("size", [1, 100, 16384, 16385, 1 << 20, 5 << 20])
async def test_what_is_sent_is_encrypted_whole(
    tctx: taddons.context, authority: certificates.Authority, size: int
) -> None:
    way = Way(tctx)
    del way.response.headers["transfer-encoding"]
    server, client = handshake(authority)
    encrypted = tls.ClientTLSLayer(way.stream.context.fork())
    encrypted.tls = server
    way.stream.context.layers.insert(0, encrypted)
    writer = way.writer()
    assert writer.is_direct
    writer.send(b"x" * size)
    received, sent = b"", way.sent
    while sent:
        client.bio_write(sent[:65536])
        sent = sent[65536:]
        with contextlib.suppress(SSL.WantReadError):
            while True:
                received += client.recv(65536)
    assert received == b"x" * size


async def test_a_client_that_has_ended_its_tls(
    tctx: taddons.context, authority: certificates.Authority
) -> None:
    way = Way(tctx)
    server, client = handshake(authority)
    client.shutdown()
    server.bio_write(client.bio_read(65536))
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(1)
    server.shutdown()
    server.bio_read(65536)
    encrypted = tls.ClientTLSLayer(way.stream.context.fork())
    encrypted.tls = server
    way.stream.context.layers.insert(0, encrypted)
    way.writer().send(b"data")
    assert way.sent == b""


def handshake(authority: certificates.Authority) -> tuple[SSL.Connection, SSL.Connection]:
    """Both ends of a connection that stands."""
    settings = SSL.Context(SSL.TLS_METHOD)
    issued = authority.ca.issue_cert("localhost")
    settings.use_certificate(x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()))
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    settings.use_privatekey(key)
    server, client = SSL.Connection(settings), SSL.Connection(SSL.Context(SSL.TLS_METHOD))
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(3):
        for end, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                end.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(end.bio_read(65536))
    return server, client
