"""Clients that send too much, too slowly or nothing at all, over the wire."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
from simulator import answers
from tests.wire import proxies

KEY = "static-key-0123456789"
MEGABYTE = 1024 * 1024

LIMITS = {
    "head_timeout": 2,
    "body_timeout": 2,
    "min_body_rate": 1000,
    "max_head_fields": 100,
    "max_head_size": 16,
}


def options(**values: object) -> list[str]:
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def proxy(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    proxy = proxies.Proxy(
        tmp_path_factory.mktemp("limits"),
        proxies.profile(shared_sim.url),
        behind=shared_sim.url,
        arguments=options(**LIMITS),
        environ={"PROXY_STATIC_TOKEN": KEY},
    )
    yield proxy
    proxy.close()


@contextlib.contextmanager
def reverse(proxy: proxies.Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.reverse_port), proxies.PATIENCE) as raw:
        yield raw


def encrypt(proxy: proxies.Proxy, raw: socket.socket, name: str) -> ssl.SSLSocket:
    ca = proxy.confdir / "mitmproxy-ca-cert.pem"
    proxies.wait_until(ca.exists)
    trusts = ssl.create_default_context(cafile=str(ca))
    return trusts.wrap_socket(raw, server_hostname=name)


@contextlib.contextmanager
def reverse_tls(proxy: proxies.Proxy) -> Iterator[socket.socket]:
    with reverse(proxy) as raw:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(raw, server_hostname="localhost") as encrypted:
            yield encrypted


@contextlib.contextmanager
def forward(proxy: proxies.Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.proxy_port), proxies.PATIENCE) as raw:
        yield raw


@contextlib.contextmanager
def tunnel(proxy: proxies.Proxy) -> Iterator[socket.socket]:
    """A tunnel to the intercepted host, and TLS in it."""
    with forward(proxy) as raw:
        raw.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n")
        assert b" 200 " in raw.recv(65536)
        with encrypt(proxy, raw, "api.anthropic.com") as encrypted:
            yield encrypted


Way = Callable[[proxies.Proxy], contextlib.AbstractContextManager[socket.socket]]
WAYS = pytest.mark.parametrize("way", [reverse, reverse_tls, forward, tunnel])


def rest(raw: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return b"".join(iter(lambda: raw.recv(65536), b""))
    return b""


def answer(raw: socket.socket) -> tuple[int, str]:
    """Status, and the type of the error."""
    head, _, body = rest(raw).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["type"]


def memory(proxy: proxies.Proxy) -> float:
    """In MB."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+)", status)
    assert match
    return int(match[1]) / 1024


def post(model: str = "glm", *fields: str, text: str = "hello") -> bytes:
    body = json.dumps(proxies.message(model, text)).encode()
    lines = (
        "POST /v1/messages HTTP/1.1",
        "host: x",
        f"x-litellm-api-key: {KEY}",
        *fields,
        f"content-length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def is_served(proxy: proxies.Proxy) -> bool:
    with reverse(proxy) as raw:
        raw.sendall(post("glm", "connection: close"))
        return b" 200 " in rest(raw)[:20]


# Heads


@WAYS
def test_a_head_that_never_ends(proxy: proxies.Proxy, way: Way) -> None:
    before = memory(proxy)
    with way(proxy) as raw:
        raw.sendall(b"GET http://x/ HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for _ in range(40):
                raw.sendall(b"x-a: " + b"a" * MEGABYTE + b"\r\n")
        assert answer(raw) == (431, "invalid_request_error")
    assert memory(proxy) < before + 30
    assert is_served(proxy)


@WAYS
def test_a_head_of_many_fields(proxy: proxies.Proxy, way: Way) -> None:
    with way(proxy) as raw:
        raw.sendall(b"GET http://x/ HTTP/1.1\r\nhost: x\r\n" + b"a:\r\n" * 101 + b"\r\n")
        assert answer(raw) == (431, "invalid_request_error")


@WAYS
def test_a_slow_head(proxy: proxies.Proxy, way: Way) -> None:
    with way(proxy) as raw:
        raw.sendall(b"GET http://x/ HTTP/1.1\r\nhost: x\r\nx-a: ")
        began = time.monotonic()
        raw.settimeout(0.2)
        got = b""
        while time.monotonic() - began < proxies.PATIENCE:
            try:
                raw.sendall(b"x")
                piece = raw.recv(65536)
            except TimeoutError:
                continue
            except (ConnectionError, ssl.SSLError):
                break
            got += piece
            if not piece:
                break
        assert b" 408 " in got[:20]
        assert 1.5 < time.monotonic() - began < 15


def test_a_second_head_on_a_connection_is_limited_too(proxy: proxies.Proxy) -> None:
    with reverse(proxy) as raw:
        raw.sendall(post())
        assert b" 200 " in raw.recv(65536)
        time.sleep(3)  # longer than a head may take: it waits between two requests
        raw.sendall(post())
        assert b" 200 " in raw.recv(65536)
        raw.sendall(b"GET / HTTP/1.1\r\n")
        assert answer(raw)[0] == 408


def test_a_tls_handshake_that_never_ends(proxy: proxies.Proxy) -> None:
    with reverse(proxy) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        began = time.monotonic()
        assert rest(raw) == b""
        assert time.monotonic() - began < 15


def test_a_client_hello_of_megabytes(proxy: proxies.Proxy) -> None:
    with reverse(proxy) as raw:
        record = b"\x16\x03\x01\x40\x00" + b"\x00" * 0x4000
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            raw.sendall(b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"\x00" * 0x3FFC)
            for _ in range(1000):
                raw.sendall(record)
        assert is_served(proxy)
        assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "wire",
    [
        b"A" * 500_000,
        b"GET / HTTP/1.1\r\nHost:" + b" " * 16_000,
        b"GET / HTTP/1.1\r\nHost:" + b" x" * 8_000,
        b"GET / HTTP/1.1\r\nx: " + b"\r" * 16_000,
    ],
    ids=["letters", "spaces", "words", "returns"],
)
def test_a_line_that_takes_long_to_read(proxy: proxies.Proxy, wire: bytes) -> None:
    with reverse(proxy) as raw:
        raw.sendall(wire)
        began = time.monotonic()
        assert is_served(proxy)
        assert time.monotonic() - began < 15


# Bodies


@pytest.mark.parametrize("field", ["content-length: 100000", "transfer-encoding: chunked"])
def test_a_slow_body(proxy: proxies.Proxy, field: str) -> None:
    with reverse(proxy) as raw:
        raw.sendall(
            f"POST /v1/messages HTTP/1.1\r\nx-litellm-api-key: {KEY}\r\n{field}\r\n\r\n".encode()
        )
        raw.settimeout(0.2)
        began, got = time.monotonic(), b""
        while time.monotonic() - began < proxies.PATIENCE:
            try:
                raw.sendall(b"1\r\nx\r\n")
                piece = raw.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            got += piece
            if not piece:
                break
        assert b" 408 " in got[:20]
        assert b"min_body_rate" in got


def test_a_body_that_comes_fast_enough(proxy: proxies.Proxy) -> None:
    """Longer than `body_timeout` in all."""
    wire = post(text="a" * 40_000)
    with reverse(proxy) as raw:
        for start in range(0, len(wire), 5000):
            raw.sendall(wire[start : start + 5000])
            time.sleep(0.5)
        assert b" 200 " in raw.recv(65536)[:20]


@pytest.mark.parametrize("piece", [b"0", b"x-trailer: a\r\n"], ids=["chunk line", "trailers"])
def test_a_chunked_body_without_an_end(proxy: proxies.Proxy, piece: bytes) -> None:
    before = memory(proxy)
    with reverse(proxy) as raw:
        head = f"POST /v1/messages HTTP/1.1\r\nx-litellm-api-key: {KEY}\r\n"
        raw.sendall(
            f"{head}transfer-encoding: chunked\r\n\r\n0\r\n".encode()[
                : -3 if piece == b"0" else None
            ]
        )
        for _ in range(40):
            raw.sendall(piece * (MEGABYTE // len(piece)))
        raw.shutdown(socket.SHUT_WR)
        assert answer(raw)[0] == 431
    assert memory(proxy) < before + 30


def test_a_client_without_a_key_cannot_send_on_forever(proxy: proxies.Proxy) -> None:
    with reverse(proxy) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 30000000\r\n\r\n{")
        began = time.monotonic()
        assert answer(raw)[0] == 401
        assert time.monotonic() - began < 15


def test_a_refused_client_gets_its_answer_though_it_sends_on(proxy: proxies.Proxy) -> None:
    with reverse(proxy) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 30000000\r\n\r\n")
        raw.sendall(b"a" * 30_000_000)
        assert answer(raw)[0] == 401


# What waits behind a request


def test_bytes_behind_a_request_wait_with_the_client(
    proxy: proxies.Proxy, seen: simulator.Simulator
) -> None:
    seen.script(answers.Answer(head_delay=3.0))
    before = memory(proxy)
    with reverse(proxy) as raw:
        raw.sendall(post())
        raw.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            for _ in range(100):
                sent += raw.send(b"a" * MEGABYTE)
        assert memory(proxy) < before + 30
    assert is_served(proxy)


def test_requests_behind_one_are_answered_in_order(proxy: proxies.Proxy) -> None:
    with reverse(proxy) as raw:
        raw.sendall(post(text="b" * 200_000) * 4 + post("glm", "connection: close"))
        assert rest(raw).count(b"HTTP/1.1 200 ") == 5
