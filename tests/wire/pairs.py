"""Providers that fail in every way, and clients of every kind."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import h2.connection
import h2.errors
import h2.events
import httpx

import simulator
from claude_route.wire import sse
from simulator import answers
from simulator import ports
from tests import listening
from tests.wire import proxies

FALLBACKS = {"claude-*": ["glm"], "hasty-*": ["glm"], "refused-*": ["glm"], "far-*": ["glm"]}

# Providers whose upstreams fail in their own ways, and one with short limits.
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
    hasty = {"connect_timeout": 1, "first_byte_timeout": 1, "idle_timeout": 1}
    named = proxies.profile(url)["providers"]
    named["hasty"] = {"base_url": f"{url}/provider/hasty", **keyed, **hasty}
    named["refused"] = {"base_url": f"http://127.0.0.1:{ports.free()}", **keyed}
    named["far"] = {"base_url": f"http://127.0.0.1:{far}", **keyed, "connect_timeout": 1}
    return dict(named)


class Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes
    first: float
    """When its first bytes arrived, by time.monotonic()."""
    broken: str
    """Why it ended early."""
    version: str
    """HTTP/1.1 or HTTP/2."""

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
    """Request a streamed answer, unless `stream` says otherwise."""
    request = proxies.message(model, **{"stream": True, **fields})
    body, first, broken = b"", 0.0, ""
    with client.stream("POST", "https://api.anthropic.com/v1/messages", json=request) as response:
        try:
            for chunk in response.iter_raw():
                first = first or time.monotonic()
                body += chunk
        except httpx.TransportError as e:
            broken = repr(e)
    version = response.http_version
    return Answer(response.status_code, response.headers, body, first, broken, version)


class OnlyHTTP2(ssl.SSLContext):
    """httpx offers HTTP/1.1 first, and mitmproxy accepts the first."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


class Pair(NamedTuple):
    """A proxy with no pool, and the simulator that plays all its providers."""

    sim: simulator.Simulator
    proxy: proxies.Proxy
    serial: Iterator[int]

    def model(self, kind: str) -> str:
        """A new model name: what the proxy knows of a target outlasts a test."""
        return f"{kind}-{next(self.serial)}"

    def when(self, model: str, **delivery: Any) -> None:
        self.sim.when(lambda r: r.model == model, answers.Answer(**delivery))

    def reverse(self) -> httpx.Client:
        """As `ask` wants it: mitmproxy's reverse listener accepts any host name."""
        client = self.proxy.client()
        client.event_hooks = {"request": [self._to_the_listener]}
        return client

    def reverse_http2(self) -> httpx.Client:
        """The same listener takes TLS too, and with it HTTP/2."""

        def to_the_listener(request: httpx.Request) -> None:
            port = self.proxy.reverse_port
            request.url = request.url.copy_with(scheme="https", host="127.0.0.1", port=port)

        context = self.trusting()
        context.check_hostname = False  # its certificate names the upstream
        return self.proxy.client(
            http2=True, verify=context, event_hooks={"request": [to_the_listener]}
        )

    def _to_the_listener(self, request: httpx.Request) -> None:
        request.url = request.url.copy_with(
            scheme="http", host="127.0.0.1", port=self.proxy.reverse_port
        )

    def tunnel(self) -> httpx.Client:
        return self.proxy.tunnel_client(headers={"x-api-key": proxies.API_KEY})

    def trusting(self) -> ssl.SSLContext:
        context = OnlyHTTP2(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.proxy.confdir / "mitmproxy-ca-cert.pem")
        context.set_alpn_protocols(())
        return context

    def http2(self) -> httpx.Client:
        return httpx.Client(
            proxy=self.proxy.proxy_url,
            verify=self.trusting(),
            http2=True,
            headers={"x-api-key": proxies.API_KEY},
            trust_env=False,
            timeout=proxies.PATIENCE,
        )

    def log_of(self, model: str) -> list[str]:
        """The proxy's log lines about a model, without times and colours."""
        lines = re.findall(rf"\] (?:\x1b\[\d+m)?({re.escape(model)}: .*)", self.proxy.log)
        return [line.removesuffix("\x1b[0m") for line in lines]


def reverse(pair: Pair) -> httpx.Client:
    return pair.reverse()


def reverse_http2(pair: Pair) -> httpx.Client:
    return pair.reverse_http2()


def tunnel(pair: Pair) -> httpx.Client:
    return pair.tunnel()


def http2(pair: Pair) -> httpx.Client:
    return pair.http2()


def either(pair: Pair) -> httpx.Client:
    """Offers both, and so gets HTTP/1.1. Its upstreams are offered both too, and choose HTTP/2."""
    return pair.proxy.tunnel_client(headers={"x-api-key": proxies.API_KEY}, http2=True)


@contextlib.contextmanager
def unanswered(port: int = 0) -> Iterator[int]:
    """A port whose connections are never made: nobody accepts, and the backlog is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        while True:
            filler = open_sockets.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        bound: int = listener.getsockname()[1]
        yield bound


@contextlib.contextmanager
def running(
    folder: Path, *arguments: str, tls: bool = False, fallbacks: dict[str, list[str]] = FALLBACKS
) -> Iterator[Pair]:
    """With `tls`, the simulator uses HTTP/2 with clients that offer it."""
    with unanswered() as far, simulator.Simulator(tls=tls, strict=False) as sim:
        if tls:
            arguments += ("--set", f"ssl_verify_upstream_trusted_ca={sim.ca}")
        profile = proxies.profile(
            sim.url, providers=providers(sim.url, far), models=MODELS, fallbacks=fallbacks
        )
        proxy = proxies.Proxy(folder, profile, behind=sim.url, arguments=arguments)
        try:
            yield Pair(sim, proxy, itertools.count(1))
        finally:
            proxy.close()


def post(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/v1/messages", json=proxies.message(**{"stream": True, **fields}))


def at_once(*calls: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def leave_early(pair: Pair, model: str, *, asked: int) -> None:
    """Send a request, and disconnect once the upstreams have seen so many."""
    body = json.dumps(proxies.message(model, stream=True)).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {proxies.API_KEY}\r\n"
    with socket.create_connection(("127.0.0.1", pair.proxy.reverse_port)) as client:
        client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        pair.sim.wait_for(asked)
        time.sleep(0.1)


def leave(pair: Pair, model: str, *, events: int) -> None:
    """Send a request, and disconnect after some events."""
    url, request = "https://api.anthropic.com/v1/messages", proxies.message(model, stream=True)
    with (
        pair.reverse() as client,
        client.stream("POST", url, json=request) as response,
    ):
        seen = b""
        for chunk in response.iter_raw():
            seen += chunk
            if seen.count(b"\n\n") >= events:
                break


class Streams:
    """An HTTP/2 connection to api.anthropic.com through the tunnel, whose streams can be reset."""

    def __init__(self, pair: Pair) -> None:
        plain = socket.create_connection(("127.0.0.1", pair.proxy.proxy_port), proxies.PATIENCE)
        plain.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n")
        assert plain.recv(65536).startswith(b"HTTP/1.1 200 ")
        self.socket = pair.trusting().wrap_socket(plain, server_hostname="api.anthropic.com")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection()
        self.h2.initiate_connection()
        self.received: dict[int, bytes] = {}
        self.ended: set[int] = set()

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def ask(self, model: str, *more: tuple[str, str]) -> int:
        """The id of the stream; `more` are headers."""
        body = json.dumps(proxies.message(model, stream=True)).encode()
        stream: int = self.h2.get_next_available_stream_id()
        pseudo = (":method", "POST"), (":scheme", "https"), (":path", "/v1/messages")
        fields = (":authority", "api.anthropic.com"), ("x-api-key", proxies.API_KEY)
        self.h2.send_headers(stream, [*pseudo, *fields, *more])
        self.h2.send_data(stream, body, end_stream=True)
        self.received[stream] = b""
        self._flush()
        return stream

    def read(self, stream: int, *, events: float = math.inf) -> bytes:
        """The bytes of a stream, once it has that many events or has ended."""
        while self.received[stream].count(b"\n\n") < events and stream not in self.ended:
            for event in self.h2.receive_data(self.socket.recv(65536)):
                if isinstance(event, h2.events.DataReceived):
                    self.received[event.stream_id] += event.data
                    length = event.flow_controlled_length
                    self.h2.acknowledge_received_data(length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                    self.ended.add(event.stream_id)
            self._flush()
        return self.received[stream]

    def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self._flush()

    def _flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())


class Odd:
    """An upstream with scripted answers, connection by connection and request by request.

    `answers` has a list for each connection, of the answers to one request after the other. After
    the last, the connection is closed.
    """

    def __init__(self, *answers: list[bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.hosts: list[str] = []
        """Where each connection comes from."""
        self._answers = iter(answers)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def connections(self) -> int:
        return len(self.hosts)

    def __enter__(self) -> Odd:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, (host, _) = self.listener.accept()
                self.hosts.append(host)
                answers = next(self._answers, [])
                threading.Thread(target=self._answer, args=(client, answers), daemon=True).start()

    def _answer(self, client: socket.socket, answers: list[bytes]) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(proxies.PATIENCE)
            for answer in answers:
                if not self._read(client):
                    break
                client.sendall(answer)
            client.shutdown(socket.SHUT_WR)
            client.recv(65536)

    def _read(self, client: socket.socket) -> bool:
        """One request; False if none arrived."""
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            received = client.recv(65536)
            if not received:
                return False
            head += received
        head, _, body = head.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        while length and len(body) < int(length[1]):
            body += listening.more(client)
        return True
