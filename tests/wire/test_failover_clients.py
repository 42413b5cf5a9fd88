"""Clients of all kinds: those that leave, those that are refused, those that only pass through."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import pairs
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]


# A client that leaves


LEAVING = [
    pytest.param({"before_head": "silence"}, 0, id="before the head"),
    pytest.param({"cut_events": 0, "end": "hang"}, 0, id="before an event"),
    pytest.param({"cut_events": 3, "end": "hang"}, 2, id="in the answer"),
    pytest.param({"event_delay": 0.05}, 2, id="in an answer that goes on"),
]


@pytest.mark.parametrize(("delivery", "events"), LEAVING)
def test_a_client_that_leaves_cancels_the_upstream(
    pair: pairs.Pair, delivery: dict[str, Any], events: int
) -> None:
    model = pair.model("alone")
    pair.when(model, **delivery)
    if events:
        pairs.leave(pair, model, events=events)
    else:
        pairs.leave_early(pair, model, asked=1)
    left = time.monotonic()
    (request,) = pair.sim.wait_done(1)
    assert request.cancelled is not None
    assert request.time + request.cancelled < left + 5


@pytest.mark.parametrize("far_end", ["pair", "secure"])
@pytest.mark.parametrize(("delivery", "events"), LEAVING)
def test_a_reset_stream_cancels_only_its_own_attempt(
    request: pytest.FixtureRequest, far_end: str, delivery: dict[str, Any], events: int
) -> None:
    pair = request.getfixturevalue(far_end)
    left, stays = pair.model("alone"), pair.model("alone")
    pair.when(left, **delivery)
    pair.when(stays, event_delay=0.02)
    with pairs.Streams(pair) as streams:
        first, second = streams.ask(left), streams.ask(stays)
        pair.sim.wait_for(2)
        streams.read(first, events=events)
        streams.reset(first)
        gone = time.monotonic()
        assert b"message_stop" in streams.read(second)
        seen = {each.model: each for each in pair.sim.wait_done(2)}
        assert seen[left].cancelled is not None
        assert seen[left].time + seen[left].cancelled < gone + 5
        assert seen[stays].cancelled is None
        assert b"message_stop" in streams.read(streams.ask(stays))


def test_a_client_that_leaves_while_a_connection_is_made(pair: pairs.Pair) -> None:
    pairs.leave_early(pair, pair.model("far"), asked=0)
    with pairs.Streams(pair) as streams:
        stream = streams.ask(pair.model("far"))
        time.sleep(0.1)
        streams.reset(stream)
        time.sleep(1.5)
        assert not pair.sim.requests, "the fallback isn't asked for nobody"
        assert b"message_stop" in streams.read(streams.ask(pair.model("far")))


def test_a_client_that_leaves_during_the_second_attempt(pair: pairs.Pair) -> None:
    model = pair.model("claude")
    pair.when(model, status=500)
    pair.when("glm-5", before_head="silence")
    pairs.leave_early(pair, model, asked=2)
    requests = pair.sim.wait_done(2)
    assert requests[-1].cancelled is not None


def test_many_streams_of_an_http2_client(pair: pairs.Pair) -> None:
    """Each has a connection of its own upstream, and one that is reset takes no other along."""
    model = pair.model("hasty")
    pair.when(model, event_delay=0.08)
    with pairs.Streams(pair) as streams:
        answered = [streams.ask(model) for _ in range(12)]
        pair.sim.wait_for(5)
        streams.reset(streams.ask(model))
        assert all(b"message_stop" in streams.read(stream) for stream in answered)
    assert {request.model for request in pair.sim.requests} == {model}, "none fell back"


# Requests that have no attempts


def test_a_refusal_comes_before_the_body_is_read(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(
        proxies.profile(sim.url),
        behind=sim.url,
        environ={"PROXY_STATIC_TOKEN": "static-0123456789"},
    )
    head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n{}\r\n"
    for expect in ("", "expect: 100-continue\r\n"):
        with socket.create_connection(
            ("127.0.0.1", proxy.reverse_port), timeout=proxies.PATIENCE
        ) as client:
            client.sendall(head.format(expect).encode())
            wire = client.recv(65536)
            assert wire.startswith(b"HTTP/1.1 401 ")
            client.sendall(b"x" * 1_000_000)
            while chunk := client.recv(65536):
                wire += chunk
            assert wire.count(b"HTTP/1.1") == 1

    def endless() -> Iterator[bytes]:
        yield from itertools.repeat(b"x" * 65536, 600)

    with proxy.tunnel_client(http2=True) as tunnel:
        url = "https://api.anthropic.com/v1/messages"
        assert tunnel.post(url, content=endless()).status_code == 401
        headers = {"x-litellm-api-key": "static-0123456789"}
        large = tunnel.post(url, content=endless(), headers=headers)
        assert (large.status_code, large.json()["error"]["type"]) == (413, "request_too_large")
        assert tunnel.post(url, json=proxies.message("glm"), headers=headers).status_code == 200
    assert len(sim.requests) == 1


def test_a_client_of_http_1_0_gets_no_chunks(pair: pairs.Pair) -> None:
    body = json.dumps(proxies.message(pair.model("claude"), stream=True)).encode()
    head = f"POST /v1/messages HTTP/1.0\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(
        ("127.0.0.1", pair.proxy.reverse_port), timeout=proxies.PATIENCE
    ) as client:
        client.sendall(head.encode() + body)
        wire = b""
        while data := client.recv(65536):
            wire += data
    assert b"transfer-encoding" not in wire
    assert wire.partition(b"\r\n\r\n")[2].startswith(b"event: message_start\n")
    assert b"event: message_stop\n" in wire


def test_what_passes_through_streams_both_ways(pair: pairs.Pair) -> None:
    pair.sim.when(lambda r: r.path == "/v1/files", answers.Answer(body=b"x" * 300_000, status=201))
    with pair.reverse() as client:
        response = client.post("/v1/files", content=iter([b"y" * 500_000] * 4))
        assert (response.status_code, len(response.content)) == (201, 300_000)
        assert client.head("/api/hello").status_code < 500
        assert client.get("/v1/nothing").status_code == 404
        assert pairs.ask(client, pair.model("claude")).text == "You said: hello"
    assert len(pair.sim.requests[0].body) == 2_000_000


def test_what_passes_through_fails_as_its_upstream_does(pair: pairs.Pair) -> None:
    cut = answers.Answer(body=b"x" * 1000, cut_events=0, cut_bytes=100, end="reset")
    pair.sim.when(lambda r: r.path == "/v1/files", cut)
    with pair.reverse() as client:
        with pytest.raises(httpx.TransportError):
            client.get("/v1/files")
        assert pairs.ask(client, pair.model("claude")).text == "You said: hello"


def test_a_websocket_passes_through(start: Start, sim: simulator.Simulator) -> None:
    upgrade = (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    with pairs.Odd([upgrade + b"\x81\x02hi"]) as odd:
        proxy = start(proxies.profile(sim.url), behind=odd.url)
        with socket.create_connection(
            ("127.0.0.1", proxy.reverse_port), timeout=proxies.PATIENCE
        ) as client:
            client.sendall(
                b"GET /api/ws/voice HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n"
                b"content-length: 0\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
                b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            wire = b""
            while b"\x81\x02hi" not in wire:
                chunk = client.recv(65536)
                assert chunk, wire
                wire += chunk
            assert wire.startswith(b"HTTP/1.1 101 ")
