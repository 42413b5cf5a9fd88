"""What takes a proxy down: floods of frames, readers that don't read, messages without an end."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import h2.config as h2config
import h2.connection as h2py
import h2.events as h2events
import httpx
import pytest

import simulator
from tests import listening
from tests.wire import http2_wire as h2
from tests.wire import proxies
from tests.wire import raw_upstream

type Start = Callable[..., proxies.Proxy]

KEY = "static-key-0123456789-stat"
SECONDS = 2
"""`send_timeout`, which is five minutes by default."""

POOL = {"tokens": list(proxies.POOL[:2])}
MEGABYTE = 1_000_000


class Flood(listening.Listener):
    """An upstream that never stops talking, and counts what it got rid of."""

    EVENT = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"' + b"a" * 60_000 + b'"}}\n\n'
    )
    START = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
        b'"role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}'
        b'\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
    )

    def __init__(self, *, speaks_first: bool = False) -> None:
        self.sent = 0
        self.gone = threading.Event()
        self._speaks_first = speaks_first
        super().__init__(self._flood)

    def _flood(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if not self._speaks_first:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (data := connection.recv(1 << 16)):
                        return
                    head += data
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                    b"connection: close\r\n\r\n" + self.START
                )
            while True:
                connection.sendall(self.EVENT)
                self.sent += len(self.EVENT)
        self.gone.set()


@pytest.fixture
def flood() -> Iterator[Flood]:
    flood = Flood()
    yield flood
    flood.close()


@pytest.fixture(scope="module")
def keyed(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    """Whose key nobody shows."""
    proxy = proxies.Proxy(
        tmp_path_factory.mktemp("keyed"),
        proxies.profile(shared_sim.url, pool=POOL),
        behind=shared_sim.url,
        environ={"PROXY_STATIC_TOKEN": KEY},
    )
    yield proxy
    assert "Traceback" not in proxy.close()


def worst_latency(proxy: proxies.Proxy, work: Callable[[], object]) -> float:
    """Seconds that another client's request takes at most while this goes on."""
    thread = threading.Thread(target=work, daemon=True)
    worst = 0.0
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=proxies.PATIENCE) as other:
        assert other.get("/health").status_code == 200
        thread.start()
        while thread.is_alive():
            began = time.monotonic()
            assert other.get("/health").status_code == 200
            worst = max(worst, time.monotonic() - began)
    return worst


ASK = h2.request("/v1/messages")
FLOODS = {
    "unknown": h2.frame(0xBB, payload=b"x" * 10),
    "window update": h2.frame(h2.WINDOW_UPDATE, payload=struct.pack(">I", 1)),
    "ping": h2.frame(h2.PING, payload=b"12345678"),
    "settings": h2.settings((4, 1)),
    "settings' answers": h2.frame(h2.SETTINGS, 1),
    "many settings": h2.settings(*[(0x99, 1)] * 10_000),
    "priority": h2.frame(h2.PRIORITY, 0, 1, b"\0\0\0\3\1"),
    "resets": h2.frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"),
}
STREAMS = {
    "empty data": h2.frame(h2.HEADERS, h2.END_HEADERS, 1, ASK) + h2.frame(h2.DATA, 0, 1) * 5000,
    "data by byte": h2.frame(h2.HEADERS, h2.END_HEADERS, 1, ASK)
    + h2.frame(h2.DATA, 0, 1, b"x") * 5000,
    "padding": h2.frame(h2.HEADERS, h2.END_HEADERS, 1, ASK)
    + h2.frame(h2.DATA, 8, 1, b"\xff" + bytes(255)) * 5000,
    "continuations": h2.frame(h2.HEADERS, 0, 1, ASK) + h2.frame(h2.CONTINUATION, 0, 1) * 5000,
    "long continuations": h2.frame(h2.HEADERS, 0, 1, ASK)
    + h2.frame(h2.CONTINUATION, 0, 1, b"\0\1x\x7f\x80\xff\x07" + bytes(100_000)) * 9,
    "rapid resets": b"".join(
        h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, ASK)
        + h2.frame(h2.RST_STREAM, 0, stream, b"\0\0\0\x08")
        for stream in range(1, 4000, 2)
    ),
    "a bomb": h2.frame(
        h2.HEADERS,
        h2.END_HEADERS | h2.END_STREAM,
        1,
        ASK + b"\x40" + h2.literal("x") + h2.literal("y" * 100) + b"\xbe" * 50_000,
    ),
    "crumbs": h2.frame(
        h2.HEADERS,
        h2.END_HEADERS | h2.END_STREAM,
        1,
        ASK + b"\x60\x01a" + b"\xbe" * 50_000,
    ),
}


@pytest.mark.parametrize("name", [*FLOODS, *STREAMS])
@pytest.mark.parametrize("listener", ["reverse", "forward", "tunnel"])
def test_floods_before_any_key(keyed: proxies.Proxy, name: str, listener: str) -> None:
    flood = STREAMS.get(name) or FLOODS[name] * (2 * MEGABYTE // len(FLOODS[name]))
    ends = []

    def attack() -> None:
        port = keyed.reverse_port if listener == "reverse" else keyed.proxy_port
        raw = socket.create_connection(("127.0.0.1", port), timeout=proxies.PATIENCE)
        if listener == "tunnel":
            raw.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n")
            assert b" 200 " in raw.recv(1000)
        wire = h2.opened(raw, "api.anthropic.com")
        with contextlib.suppress(OSError):
            wire.sendall(h2.PREFACE + h2.settings() + flood)
        with contextlib.suppress(OSError):
            ends.append(h2.code(h2.replies(wire)))
        wire.close()

    assert worst_latency(keyed, attack) < 10
    assert ends in ([h2.CALM_DOWN], [None], []), "it ends, though the reason may get lost"


def test_fields_that_cannot_be_read_end_the_connection(keyed: proxies.Proxy) -> None:
    fields = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\x7f" + b"\xff" * 16_000)
    raw = socket.create_connection(("127.0.0.1", keyed.reverse_port), timeout=proxies.PATIENCE)
    with h2.opened(raw, "api.anthropic.com") as wire:
        wire.sendall(h2.PREFACE + h2.settings() + fields)
        assert h2.code(h2.replies(wire)) == h2.PROTOCOL_ERROR
    assert "Traceback" not in keyed.log


def test_the_log_has_one_line_about_it(keyed: proxies.Proxy) -> None:
    before = keyed.log.count("too many frames without content")
    for _ in range(3):
        wire = h2.connect(keyed.reverse_port)
        wire.sendall(h2.PREFACE + h2.settings() + FLOODS["ping"] * 1200)
        frames = h2.replies(wire)
        assert h2.code(frames) == h2.CALM_DOWN
        wire.close()
    assert keyed.log.count("too many frames without content") - before <= 1
    assert "unknown HTTP/2 frame" not in keyed.log


@pytest.fixture
def hasty(flood: Flood, start: Start) -> proxies.Proxy:
    return start(
        proxies.profile(flood.url, pool=POOL),
        behind=flood.url,
        arguments=["--set", f"send_timeout={SECONDS}"],
    )


def resident(proxy: proxies.Proxy) -> int:
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+)", status)
    assert match
    return int(match[1]) * 1024


BODY = json.dumps(proxies.message(stream=True)).encode()


def http1(path: str, method: str = "POST", host: str = "x") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1",
        f"host: {host}",
        "anthropic-version: 2023-06-01",
        f"x-api-key: {proxies.API_KEY}",
        f"content-length: {len(BODY)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + BODY


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/files"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_client_that_does_not_read(
    hasty: proxies.Proxy, flood: Flood, path: str, version: int
) -> None:
    """Neither an answer of an attempt nor one that passes through is kept, nor waited with for ever."""
    before = resident(hasty)
    if version == 1:
        raw: socket.socket = socket.create_connection(("127.0.0.1", hasty.reverse_port))
        raw.sendall(http1(path))
    else:
        raw = h2.connect(hasty.reverse_port)
        asked = h2.request(
            path, ("anthropic-version", "2023-06-01"), ("x-api-key", proxies.API_KEY)
        )
        raw.sendall(
            h2.PREFACE
            + h2.settings((4, 0))
            + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, asked)
            + h2.frame(h2.DATA, h2.END_STREAM, 1, BODY)
        )
    proxies.wait_until(lambda: flood.sent)
    assert flood.gone.wait(proxies.PATIENCE)
    assert flood.sent < 20 * MEGABYTE
    assert resident(hasty) - before < 60 * MEGABYTE
    proxies.wait_until(lambda: "had stopped reading" in hasty.log)
    raw.close()
    assert "Traceback" not in hasty.close()


def test_a_tunnel_whose_client_does_not_read(start: Start) -> None:
    flood = Flood(speaks_first=True)
    arguments = ["--set", f"send_timeout={SECONDS}", "--set", "rawtcp=true"]
    proxy = start(proxies.profile(proxies.NOWHERE), arguments=arguments)
    with socket.create_connection(("127.0.0.1", proxy.proxy_port)) as raw:
        raw.sendall(f"CONNECT 127.0.0.1:{flood.port} HTTP/1.1\r\n\r\n".encode())
        assert b" 200 " in raw.recv(100)
        raw.sendall(b"\0\0\0hello")
        assert flood.gone.wait(proxies.PATIENCE)
        assert flood.sent < 20 * MEGABYTE
    flood.close()


def test_a_slow_reader_gets_all(hasty: proxies.Proxy, flood: Flood) -> None:
    """Who reads anything is waited for."""
    with socket.create_connection(("127.0.0.1", hasty.reverse_port)) as raw:
        raw.settimeout(proxies.PATIENCE)
        raw.sendall(http1("/v1/messages"))
        until = time.monotonic() + 3 * SECONDS
        while time.monotonic() < until:
            assert raw.recv(200_000)
            time.sleep(0.1)
        assert raw.recv(1)


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """The port of a listener that no connection reaches: its queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    queue = []
    for _ in range(3):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", port))
        queue.append(waiting)
    time.sleep(0.1)
    yield port
    for each in (*queue, listener):
        each.close()


def test_an_upload_that_waits_for_its_connection(start: Start) -> None:
    """What passes through is read only as far as it gets on."""
    with deaf() as port:
        proxy = start(proxies.profile(proxies.NOWHERE), behind=f"http://127.0.0.1:{port}")
        before = resident(proxy)
        with socket.create_connection(("127.0.0.1", proxy.reverse_port)) as raw:
            raw.settimeout(3)
            raw.sendall(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n")
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 200 * MEGABYTE:
                    sent += raw.send(bytes(MEGABYTE))
        assert sent < 40 * MEGABYTE
        assert resident(proxy) - before < 40 * MEGABYTE


# Messages that can't be read


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWER = json.dumps(
    {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
).encode()
WHOLE = b"%x\r\n%b\r\n0\r\n" % (len(ANSWER), ANSWER)

HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"
GOOD, BAD = (200,), (0, 502, 529)
ANSWERS = {
    "trailers": (CHUNKED + WHOLE + b"server-timing: a\r\n\r\n", GOOD),
    "early hints": (HINTS + CHUNKED + WHOLE + b"\r\n", GOOD),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + WHOLE + b"\r\n", GOOD),
    "chunks without sense": (CHUNKED + b"x\r\n", BAD),
    "an endless chunk size": (CHUNKED + b"1" * 600_000, BAD),
    "endless trailers": (CHUNKED + WHOLE + b"a: " + b"x" * 600_000, BAD),
    "interim without end": (HINTS * 20_000, BAD),
    "a header without end": (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 600_000, BAD),
    "short headers": (b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 100_000 + b"\r\n", BAD),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", BAD),
    "two lengths": (TWO_LENGTHS, BAD),
    "a switch": (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", BAD),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[proxies.Proxy]:
    """With an upstream that answers each request as its text asks, and then waits."""

    def serve(connection: socket.socket) -> None:
        while asked := connection.recv(1 << 20):
            while not (match := re.search(rb"case <(.*)>", asked)):
                asked += listening.more(connection)
            connection.sendall(ANSWERS[match[1].decode()][0])

    upstream = listening.Listener(serve)
    # A provider for each, since those that fail are not asked again for a while.
    names = [f"p{number}" for number in range(2 * len(ANSWERS))]
    profile = {
        "providers": {
            "anthropic": {"base_url": upstream.url, "auth": "client"},
            **{name: {"base_url": upstream.url} for name in names},
        },
        "models": {name: f"{name}/x" for name in names},
    }
    proxy = proxies.Proxy(tmp_path_factory.mktemp("odd"), profile, behind=upstream.url)
    yield proxy
    upstream.close()
    assert "Traceback" not in proxy.close()


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/files"])
@pytest.mark.parametrize("version", [1, 2])
def test_answers_end_at_once(odd: proxies.Proxy, name: str, path: str, version: int) -> None:
    number = list(ANSWERS).index(name) + len(ANSWERS) * (version - 1)
    body = json.dumps(proxies.message(f"p{number}", f"case <{name}>")).encode()
    status = ask_http1(odd, path, body) if version == 1 else ask_http2(odd, path, body)
    assert status in ANSWERS[name][1], (
        "0 where the connection ends, which says all that can be said"
    )


def ask_http1(proxy: proxies.Proxy, path: str, body: bytes) -> int:
    """The status of an answer that ends within five seconds."""
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=5) as client:
        try:
            headers = {"anthropic-version": "2023-06-01", "x-api-key": proxies.API_KEY}
            return client.post(path, content=body, headers=headers).status_code
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return 0


def ask_http2(proxy: proxies.Proxy, path: str, body: bytes) -> int:
    wire = h2.connect(proxy.reverse_port)
    wire.settimeout(5)
    asked = h2.request(path, ("anthropic-version", "2023-06-01"), ("x-api-key", proxies.API_KEY))
    head = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, asked)
    wire.sendall(h2.PREFACE + h2.settings() + head + h2.frame(h2.DATA, h2.END_STREAM, 1, body))
    conversation = h2py.H2Connection(h2config.H2Configuration(header_encoding="utf-8"))
    conversation.initiate_connection()
    fields = {":method": "POST", ":scheme": "https", ":path": path, ":authority": "x"}
    conversation.send_headers(1, fields.items(), end_stream=True)
    status = 0
    with wire:
        while data := wire.recv(1 << 16):
            for event in conversation.receive_data(data):
                if isinstance(event, h2events.ResponseReceived):
                    status = int(event.headers[0][1])
                elif isinstance(event, h2events.StreamEnded):
                    return status
                elif isinstance(event, h2events.StreamReset | h2events.ConnectionTerminated):
                    return 0
    return 0


POST = b"POST %s HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\n"
REQUESTS = {
    "trailers": (b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: 1\r\n\r\n", None),
    "chunks without sense": (b"transfer-encoding: chunked\r\n\r\nx\r\n", 400),
    "an endless chunk size": (b"transfer-encoding: chunked\r\n\r\n" + b"1" * 100_000, 431),
    "endless trailers": (b"transfer-encoding: chunked\r\n\r\n0\r\na: " + b"x" * 100_000, 431),
    "an unknown coding": (b"transfer-encoding: gzip\r\n\r\n", 400),
    "an unknown expectation": (b"expect: miracles\r\ncontent-length: 2\r\n\r\n{}", None),
    "a continuation": (b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n{}", None),
    "an upgrade": (
        b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
        b"content-length: 2\r\n\r\n{}",
        None,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/files"])
def test_requests_end_at_once(keyed_free: proxies.Proxy, name: str, path: bytes) -> None:
    wire, status = REQUESTS[name]
    with socket.create_connection(("127.0.0.1", keyed_free.reverse_port)) as raw:
        raw.settimeout(5)
        raw.sendall(POST % path + wire)
        head = raw.recv(1 << 16)
        if head.startswith(b"HTTP/1.1 100 "):
            head = head.partition(b"\r\n\r\n")[2] or raw.recv(1 << 16)
    assert head.startswith(b"HTTP/1.1 "), head
    if status:
        assert int(head.split()[1]) == status


def test_http2_in_the_clear(keyed_free: proxies.Proxy) -> None:
    for port in (keyed_free.reverse_port, keyed_free.proxy_port):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.settimeout(5)
            raw.sendall(h2.PREFACE + h2.settings())
            with contextlib.suppress(ConnectionError):
                while raw.recv(1 << 16):
                    pass


def test_http2_requests_with_trailers(keyed_free: proxies.Proxy) -> None:
    for path in ("/v1/messages", "/v1/files"):
        wire = h2.connect(keyed_free.reverse_port)
        asked = h2.request(path, ("x-api-key", "k"), ("anthropic-version", "2023-06-01"))
        wire.sendall(
            h2.PREFACE
            + h2.settings()
            + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, asked)
            + h2.frame(h2.DATA, 0, 1, json.dumps(proxies.message()).encode())
            + h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, h2.fields(("x-trailer", "1")))
        )
        wire.settimeout(5)
        data = b""
        while not any(f[0] in (h2.DATA, h2.GOAWAY, h2.RST_STREAM) for f in h2.parsed(data)):
            piece = wire.recv(1 << 16)
            assert piece
            data += piece
        wire.close()


def test_no_body_of_http2_becomes_a_request(start: Start) -> None:
    smuggled = b"GET /v1/files/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
    with raw_upstream.running() as upstream:
        upstream.answer = lambda credential: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        proxy = start(proxies.profile(upstream.url), behind=upstream.url)
        with h2.connect(proxy.reverse_port) as wire:
            wire.sendall(
                h2.PREFACE
                + h2.settings()
                + h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request("/v1/files"))
                + h2.frame(h2.DATA, 0, 1, smuggled)
                + h2.frame(h2.DATA, 0, 1)
                + h2.frame(h2.DATA, h2.END_STREAM, 1, smuggled)
            )
            proxies.wait_until(lambda: bool(upstream.requests))
        head, body = upstream.requests[0]
        assert b"transfer-encoding: chunked" in head
        assert not body.startswith(b"GET")


@pytest.fixture(scope="module")
def keyed_free(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    proxy = proxies.Proxy(
        tmp_path_factory.mktemp("free"),
        proxies.profile(shared_sim.url, pool=POOL),
        behind=shared_sim.url,
    )
    yield proxy
    assert "Traceback" not in proxy.close()


# An end of the whole


def slowly(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(0.2)

    return serve


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
SLOW = {
    "white space": (CHUNKED, b"1\r\n \r\n", False),
    "JSON": (CHUNKED + b'4\r\n{"a"\r\n', b"1\r\n \r\n", False),
    "pings": (STREAM, PING, True),
    "comments": (STREAM, b": processing\n\n", True),
    "bytes": (STREAM, b"x", True),
}


@pytest.mark.parametrize("name", SLOW)
def test_an_answer_that_never_begins(sim: simulator.Simulator, start: Start, name: str) -> None:
    head, piece, stream = SLOW[name]
    profile = proxies.profile(sim.url, fallbacks={"glm": ["kimi"]})
    hasty = {"first_byte_timeout": 0.5, "idle_timeout": 0.5}
    with listening.Listener(slowly(head, piece)) as upstream:
        profile["providers"]["zai"] |= {"base_url": upstream.url, **hasty}
        with start(profile).client() as client:
            began = time.monotonic()
            response = client.post("/v1/messages", json=proxies.message("glm", stream=stream))
            assert response.status_code == 200
            assert "message" in response.text
            assert time.monotonic() - began < 20


def test_an_answer_without_end(flood: Flood, start: Start) -> None:
    profile = proxies.profile(flood.url)
    profile["providers"]["zai"]["total_timeout"] = 2
    profile["providers"]["zai"]["base_url"] = flood.url
    with (
        start(profile).client() as client,
        client.stream("POST", "/v1/messages", json=proxies.message("glm", stream=True)) as response,
    ):
        for piece in response.iter_bytes():
            last = piece
    assert b"no end after 2 s" in last
    assert flood.gone.wait(proxies.PATIENCE)


# Names


def test_names_that_hang_delay_no_other(start: Start, tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("""
import socket, time

ask = socket.getaddrinfo

def getaddrinfo(host, *how, **named):
    if "silent" in str(host):
        time.sleep(60)
    return ask("127.0.0.1" if ".test" in str(host) else host, *how, **named)

socket.getaddrinfo = getaddrinfo
""")
    with simulator.Simulator() as sim:
        proxy = start(
            proxies.profile(f"http://provider.test:{sim.port}", pool=POOL),
            arguments=["-s", str(slow)],
        )
        kept = []
        for number in range(100):
            raw = socket.create_connection(("127.0.0.1", proxy.proxy_port))
            where = f"silent{number}.test"
            if number % 2:
                raw.sendall(f"CONNECT {where}:443 HTTP/1.1\r\n\r\n".encode())
            else:
                raw.sendall(f"GET http://{where}/ HTTP/1.1\r\nhost: {where}\r\n\r\n".encode())
            kept.append(raw)
        time.sleep(1)
        began = time.monotonic()
        with proxy.client() as client:
            assert client.post("/v1/messages", json=proxies.message()).status_code == 200
        with socket.create_connection(("127.0.0.1", proxy.proxy_port)) as raw:
            raw.settimeout(proxies.PATIENCE)
            raw.sendall(f"CONNECT other.test:{sim.port} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in raw.recv(100)
        assert time.monotonic() - began < 20
        for raw in kept:
            raw.close()
        began = time.monotonic()
        proxy.process.terminate()
        proxy.process.wait(proxies.PATIENCE)
        assert time.monotonic() - began < 20, "no thread keeps it from ending"
