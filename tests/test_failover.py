"""A failed provider is replaced before the client sees anything, over the wire of a real mitmdump."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import httpx
import live
import pytest

import simulator
import sse
from simulator import answers

Start = Callable[..., live.Proxy]

FALLBACKS = {"claude-*": ["glm"], "hasty-*": ["glm"], "refused-*": ["glm"], "far-*": ["glm"]}

# Providers whose upstreams fail by what they are, and one with little patience.
MODELS = {
    "glm": "zai/glm-5",
    "alone-*": "anthropic/alone-*",
    "claude-*": "anthropic/claude-*",
    "hasty-*": "hasty/hasty-*",
    "lonely-*": "hasty/lonely-*",
    "refused-*": "refused/refused-*",
    "nobody-*": "refused/nobody-*",
    "far-*": "far/far-*",
}


def providers(url: str, far: int = 9) -> dict[str, Any]:
    keyed = {"auth": "bearer", "api_key": "provider-key-0123456789"}
    hasty = {"first_byte_timeout": 0.4, "idle_timeout": 0.4}
    named = live.profile(url)["providers"]
    named["hasty"] = {"base_url": f"{url}/provider/hasty", **keyed, **hasty}
    named["refused"] = {"base_url": f"http://127.0.0.1:{live.free_port()}", **keyed}
    named["far"] = {"base_url": f"http://127.0.0.1:{far}", **keyed, "connect_timeout": 0.3}
    return dict(named)


class Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes
    first: float
    """When its first bytes were here, by time.monotonic()."""
    broken: str
    """How it ended before its end."""

    @property
    def events(self) -> list[sse.Event]:
        decoder = sse.Decoder()
        events = decoder.feed(self.body)
        assert decoder.rest() == b""
        return events

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def text(self) -> str:
        deltas = [json.loads(event.data) for event in self.events if "delta" in event.name]
        return "".join(delta["delta"].get("text", "") for delta in deltas)

    @property
    def error(self) -> dict[str, Any]:
        body = json.loads(self.body)
        assert body["type"] == "error"
        return dict(body["error"])


def ask(client: httpx.Client, model: str, **fields: Any) -> Answer:
    """A streamed answer, unless `stream` says otherwise."""
    request = live.message(model, **{"stream": True, **fields})
    body, first, broken = b"", 0.0, ""
    with client.stream("POST", "https://api.anthropic.com/v1/messages", json=request) as response:
        try:
            for chunk in response.iter_raw():
                first = first or time.monotonic()
                body += chunk
        except httpx.TransportError as e:
            broken = repr(e)
    return Answer(response.status_code, response.headers, body, first, broken)


class Pair(NamedTuple):
    """A proxy with no pool, and the simulator that plays all its providers."""

    sim: simulator.Simulator
    proxy: live.Proxy
    serial: Iterator[int]

    def model(self, kind: str) -> str:
        """One that nobody has used: what is known of a target lasts longer than a test."""
        return f"{kind}-{next(self.serial)}"

    def when(self, model: str, **delivery: Any) -> None:
        self.sim.when(lambda r: r.model == model, answers.Answer(**delivery))

    def reverse(self) -> httpx.Client:
        """As `ask` wants it: mitmproxy's reverse door takes any host name."""
        client = self.proxy.client()
        client.event_hooks = {"request": [self._to_the_door]}
        return client

    def _to_the_door(self, request: httpx.Request) -> None:
        request.url = request.url.copy_with(
            scheme="http", host="127.0.0.1", port=self.proxy.reverse_port
        )

    def tunnel(self, **arguments: Any) -> httpx.Client:
        headers = {"x-api-key": live.API_KEY}
        return self.proxy.tunnel_client(headers=headers, **arguments)

    def log_of(self, model: str) -> list[str]:
        """What the proxy says of a model, times and colours aside."""
        lines = re.findall(rf"\] (?:\x1b\[\d+m)?({re.escape(model)}: .*)", self.proxy.log)
        return [line.removesuffix("\x1b[0m") for line in lines]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, unanswered: int) -> Iterator[Pair]:
    with simulator.Simulator(strict=False) as sim:
        proxy = live.Proxy(
            tmp_path_factory.mktemp("shared"),
            live.profile(
                sim.url,
                providers=providers(sim.url, unanswered),
                models=MODELS,
                fallbacks=FALLBACKS,
            ),
            behind=sim.url,
        )
        yield Pair(sim, proxy, itertools.count(1))
        proxy.close()


@pytest.fixture
def pair(shared: Pair) -> Pair:
    shared.sim.clear()
    return shared


@pytest.fixture(scope="module")
def unanswered() -> Iterator[int]:
    """A port whose connections are never made: nobody accepts, and the backlog is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            filler = open_sockets.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        port: int = listener.getsockname()[1]
        yield port


@pytest.fixture(params=["reverse", "tunnel", "http2"])
def client(request: pytest.FixtureRequest, pair: Pair) -> Iterator[httpx.Client]:
    """Through each of the doors."""
    match request.param:
        case "reverse":
            made = pair.reverse()
        case "tunnel":
            made = pair.tunnel()
        case _:
            made = pair.tunnel(http2=True)
    with made:
        yield made


# What is replaced

FAILURES = [
    pytest.param("claude", {"status": 429}, "429", id="429"),
    pytest.param("claude", {"status": 500}, "500", id="500"),
    pytest.param("claude", {"status": 503}, "503", id="503"),
    pytest.param("claude", {"status": 529}, "529", id="529"),
    pytest.param("refused", {}, "Connect call failed", id="refused"),
    pytest.param("far", {}, "no connection within 0.3 s", id="not connected in time"),
    pytest.param("claude", {"before_head": "reset"}, "server closed connection", id="reset"),
    pytest.param("claude", {"before_head": "close"}, "server closed connection", id="closed"),
    pytest.param("hasty", {"before_head": "silence"}, "silent for 0.4 s", id="silent"),
    pytest.param("claude", {"error_at": 0}, "first event overloaded_error", id="first event"),
    pytest.param(
        "claude",
        {"error_at": 0, "noise": ("comment", "ping")},
        "first event overloaded_error",
        id="first event after a comment",
    ),
    pytest.param(
        "hasty", {"cut_events": 0, "end": "hang"}, "silent for 0.4 s", id="silent after the head"
    ),
    pytest.param("claude", {"cut_events": 0}, "ended before its first event", id="no event"),
    pytest.param("claude", {"cut_events": 0, "end": "reset"}, "peer closed", id="no event, reset"),
    pytest.param(
        "claude",
        {"headers": (("content-encoding", "compress"),)},
        "content-encoding",
        id="unreadable",
    ),
]


@pytest.mark.parametrize(("kind", "failure", "why"), FAILURES)
def test_a_failure_is_replaced_by_the_fallbacks_stream(
    pair: Pair, client: httpx.Client, kind: str, failure: dict[str, Any], why: str
) -> None:
    model = pair.model(kind)
    pair.when(model, **failure)
    pair.when("glm-5", content=(answers.Text("from the fallback"),), event_delay=0.02)
    answer = ask(client, model)
    assert (answer.status, answer.broken) == (200, "")
    assert answer.names[0] == "message_start"
    assert answer.names[-1] == "message_stop"
    assert answer.text == "from the fallback"
    assert answer.headers["x-route-target"] == "zai/glm-5"
    assert answer.headers["x-route-attempts"] == "2"
    used = pair.sim.wait_done(len(pair.sim.requests))[-1]
    assert used.path == "/provider/zai/v1/messages"
    assert answer.first - used.time < 0.5
    assert used.ended and answer.first < used.time + used.ended, "it came as a stream"
    (line,) = pair.log_of(model)
    assert line.startswith(f"{model}: {MODELS[f'{kind}-*'].partition('/')[0]}/{model} ")
    assert why in line
    assert line.endswith(" → zai/glm-5")
