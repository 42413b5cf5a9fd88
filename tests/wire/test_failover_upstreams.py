"""Upstreams over TLS, and some that send odd things, over the wire of a real mitmdump."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import ports
from tests.wire import pairs
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]


@pytest.mark.parametrize("listener", [pairs.reverse, pairs.either, pairs.http2])
@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        pytest.param("claude", {}, id="none"),
        pytest.param("claude", {"status": 529}, id="529"),
        pytest.param("claude", {"before_head": "reset"}, id="reset"),
        pytest.param("hasty", {"before_head": "silence"}, id="silent"),
        pytest.param("claude", {"error_at": 0}, id="first event"),
    ],
)
def test_upstreams_over_tls(
    secure: pairs.Pair,
    listener: Callable[[pairs.Pair], httpx.Client],
    kind: str,
    failure: dict[str, Any],
) -> None:
    model = secure.model(kind)
    secure.when(model, **failure)
    with listener(secure) as client:
        for _ in range(2):
            answer = pairs.ask(client, model)
            assert (answer.text, answer.broken) == ("You said: hello", "")
            assert answer.headers["x-route-attempts"] == ("2" if failure else "1")
            assert ("transfer-encoding" in answer.headers) == (listener is not pairs.http2)
    assert {request.http for request in secure.sim.requests} == {"1.1"}


@pytest.mark.parametrize("delivery", [{"end": "reset"}, {"end": "hang"}, {"cut_bytes": 30}])
def test_an_upstream_that_dies_in_its_answer_to_an_http2_client(
    secure: pairs.Pair, delivery: dict[str, Any]
) -> None:
    model = secure.model("hasty")
    secure.when(model, cut_events=3, **delivery)
    with pairs.http2(secure) as client:
        answer = pairs.ask(client, model)
        assert (len(answer.events), answer.names[-1]) == (4, "error")
        assert pairs.ask(client, secure.model("hasty")).text == "You said: hello"


STREAM = b"event: message_start\ndata: {}\n\nevent: message_stop\ndata: {}\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
SIZED = HEAD + b"content-length: %d\r\n\r\n%b" % (len(STREAM), STREAM)
LIMITED = b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\nretry-after: 9\r\n\r\n{}"


def odd_client(start: Start, odd: pairs.Odd, sim: simulator.Simulator) -> httpx.Client:
    named = {"odd": {"base_url": odd.url, "auth": "none"}}
    proxy = start(
        proxies.profile(
            sim.url,
            providers={**pairs.providers(sim.url), **named},
            models={"odd-*": "odd/odd-*", "glm": "zai/glm-5"},
            fallbacks={"odd-*": ["glm"]},
        ),
        behind=sim.url,
        arguments=["--set", "warm_connections=false"],  # each connection counts
    )
    return proxy.client()


def test_odd_upstreams(start: Start, sim: simulator.Simulator) -> None:
    """One proxy and one client connection for all of them, which also shows that none leaves
    anything behind."""
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + SIZED
    old = SIZED.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n\r\n", b"\r\nx-old: 1\r\n\r\n", 1)
    closing = HEAD + b"connection: close\r\nkeep-alive: timeout=5\r\n\r\n" + STREAM
    endless = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    pings = HEAD + b"\r\n" + b": waiting\n\n" * 10_000
    json_error = b'{"type":"error","error":{"type":"overloaded_error","message":"Full"}}'
    error = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(json_error), json_error)
    unfinished = HEAD + b"\r\n" + STREAM[:-2]
    with (
        pairs.Odd(
            [SIZED, b""],  # closes the connection that it seemed to keep
            [SIZED, b""],
            [SIZED, early, b""],
            [old],
            [b""],
            [closing],
            [endless, b""],
            [pings],
            [error],
            [unfinished],
        ) as odd,
        odd_client(start, odd, sim) as client,
    ):

        def attempts(kind: str) -> str:
            response = pairs.post(client, model=f"odd-{kind}")
            assert response.status_code == 200
            assert b"event: message_stop" in response.content
            assert response.headers.get("connection") is None
            assert ("x-old" in response.headers) == (kind == "old")
            return f"{response.headers['x-route-attempts']} {response.headers['x-route-target']}"

        assert attempts("sized") == "1 odd/odd-sized"
        for connections in (2, 3):
            assert attempts("kept") == "1 odd/odd-kept", "asked again, at once"
            assert odd.connections == connections
        assert attempts("early") == "1 odd/odd-early", "that was not the answer"
        assert attempts("old") == "1 odd/odd-old"
        assert attempts("lost") == "2 zai/glm-5", "a new connection is not repeated"
        assert attempts("closing") == "1 odd/odd-closing"
        started = time.monotonic()
        assert attempts("endless") == "2 zai/glm-5"
        assert 1.5 < time.monotonic() - started < 20, "an error's body is waited for, not for long"
        assert attempts("pings") == "2 zai/glm-5"
        assert attempts("error") == "2 zai/glm-5"
        assert attempts("unfinished") == "1 odd/odd-unfinished"


def test_an_address_that_refused_is_asked_again(start: Start, sim: simulator.Simulator) -> None:
    port = ports.free()
    named = {
        "late": {"base_url": f"http://127.0.0.1:{port}", "auth": "bearer", "api_key": "k" * 20}
    }
    proxy = start(
        proxies.profile(
            sim.url, providers={**pairs.providers(sim.url), **named}, models={"l": "late/l"}
        ),
        behind=sim.url,
    )
    with proxy.client() as client:
        assert pairs.post(client, model="l").status_code == 502
        with simulator.Simulator(port=port, strict=False):
            assert pairs.post(client, model="l").status_code == 200
        assert pairs.post(client, model="l").status_code == 502


def test_a_connection_that_is_not_made_in_time_is_given_up(tmp_path: Path) -> None:
    """The system would go on trying for two minutes."""
    with pairs.running(tmp_path) as pair, pair.reverse() as client:
        profile = json.loads(pair.proxy.profile_path.read_text())
        port = int(profile["providers"]["far"]["base_url"].rpartition(":")[2])
        before = syn_sent(port)
        assert pairs.ask(client, "far-1").text == "You said: hello"
        proxies.wait_until(lambda: syn_sent(port) == before)


def test_a_flow_is_kept_while_another_waits_for_it(tmp_path: Path) -> None:
    with pairs.running(tmp_path) as pair, pairs.Streams(pair) as streams:
        profile = json.loads(pair.proxy.profile_path.read_text())
        port = int(profile["providers"]["far"]["base_url"].rpartition(":")[2])
        before = syn_sent(port)
        first = streams.ask("far-1")
        proxies.wait_until(lambda: syn_sent(port) == before + 1)
        second = streams.ask("far-2")
        for stream in (first, second):
            assert b"message_stop" in streams.read(stream)
        proxies.wait_until(lambda: syn_sent(port) == before)


def test_a_connection_that_fell_silent_is_not_used_again(secure: pairs.Pair) -> None:
    model = secure.model("hasty")
    with pairs.either(secure) as client:
        pairs.ask(client, secure.model("hasty"))
        secure.when(model, before_head="silence")
        pairs.ask(client, model)
        pairs.ask(client, secure.model("hasty"))
    good, silent, fallback, after = secure.sim.requests
    assert good.connection == silent.connection != after.connection
    assert fallback.path == "/provider/zai/v1/messages"


def syn_sent(port: int) -> int:
    """How many connections to a port of this machine are being made."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2:4] == [f"0100007F:{port:04X}", "02"] for line in lines)


def test_an_upstream_proxy_that_does_not_answer(start: Start, sim: simulator.Simulator) -> None:
    with pairs.unanswered() as far:
        port = ports.free()
        proxy = start(
            proxies.profile(sim.url, providers=pairs.providers(sim.url), models=pairs.MODELS),
            behind=sim.url,
            modes=[f"upstream:http://127.0.0.1:{far}@127.0.0.1:{port}"],
            wait=False,
        )
        proxy.wait_for_log(f"listening at 127.0.0.1:{port}")
        with httpx.Client(proxy=f"http://127.0.0.1:{port}", trust_env=False) as client:
            response = client.post(
                "http://api.anthropic.com/v1/messages",
                json=proxies.message("far-1"),
                timeout=proxies.PATIENCE,
            )
    assert (response.status_code, response.json()["error"]["message"]) == (
        502,
        "far/far-1: no connection within 1 s",
    )
