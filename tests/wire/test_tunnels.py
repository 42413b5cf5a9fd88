"""Connections that pass unread: from CONNECT to their end."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from simulator import ports
from tests import listening
from tests.wire import proxies

type Start = Callable[..., proxies.Proxy]

ANTHROPIC = "https://api.anthropic.com"
SECOND = 1
"""`tcp_timeout`, which is ten minutes by default."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[proxies.Proxy]:
    folder = tmp_path_factory.mktemp("tunnels")
    options = ["--set", f"tcp_timeout={SECOND}"]
    running = proxies.Proxy(
        folder, proxies.profile(proxies.NOWHERE), behind=ANTHROPIC, arguments=options
    )
    yield running
    running.close()


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that repeats what it gets, until it gets `end`."""

    def serve(connection: socket.socket) -> None:
        while (data := connection.recv(1000)) not in (b"", b"end"):
            connection.sendall(data)

    with listening.Listener(serve) as listener:
        yield listener.port


def connect(proxy: proxies.Proxy, where: str, password: str = "") -> tuple[socket.socket, bytes]:
    """A connection that asked for a tunnel, and the head of the answer."""
    raw = socket.create_connection(("127.0.0.1", proxy.proxy_port), timeout=proxies.PATIENCE)
    basic = base64.b64encode(f"me:{password}".encode()).decode()
    raw.sendall(f"CONNECT {where} HTTP/1.1\r\nproxy-authorization: Basic {basic}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += listening.more(raw, 1)
    return raw, head


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "name.invalid"])
def test_a_tunnel_to_where_nobody_is(proxy: proxies.Proxy, host: str) -> None:
    raw, head = connect(proxy, f"{host}:{ports.free()}")
    assert head.startswith(b"HTTP/1.1 502 "), head
    raw.close()


def test_a_host_that_is_routed_is_not_connected_beforehand(proxy: proxies.Proxy) -> None:
    before = len(proxy.log)
    raw, head = connect(proxy, "api.anthropic.com:443")
    assert head.startswith(b"HTTP/1.1 200 "), head
    raw.close()
    _, head = connect(proxy, f"127.0.0.1:{ports.free()}")  # so that the log has come this far
    assert head.startswith(b"HTTP/1.1 502 "), head
    connections = re.findall("server connect|establishing server", proxy.log[before:])
    assert connections == ["establishing server"]


def test_an_idle_tunnel_stays_open_as_long_as_both_ends_want(
    proxy: proxies.Proxy, echo: int
) -> None:
    raw, head = connect(proxy, f"127.0.0.1:{echo}")
    assert head.startswith(b"HTTP/1.1 200 "), head
    for _ in range(2):
        raw.settimeout(3 * SECOND)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(proxies.PATIENCE)
        raw.sendall(b"hello")
        assert raw.recv(5) == b"hello"
    raw.sendall(b"end")
    assert raw.recv(1) == b""
    raw.close()


def test_a_client_that_asks_for_nothing_is_still_let_go(proxy: proxies.Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.proxy_port)) as raw:
        raw.settimeout(proxies.PATIENCE)
        assert raw.recv(1) == b""


def test_a_tunnel_ends_with_its_key(start: Start, echo: int) -> None:
    alice, bob = (f"cr-{name}-0123456789" for name in ("alice", "bob"))
    entries = {
        key.split("-")[1]: {"key": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}
        for key in (alice, bob)
    }
    proxy = start(proxies.profile(proxies.NOWHERE, clients=entries), behind=ANTHROPIC)
    tunnel, head = connect(proxy, f"127.0.0.1:{echo}", alice)
    assert b" 200 " in head.splitlines()[0]
    tunnel.sendall(b"hello")
    assert tunnel.recv(10) == b"hello"
    for name, is_open in (("bob", True), ("alice", False)):
        del entries[name]
        proxy.write_profile(proxies.profile(proxies.NOWHERE, clients=entries))
        proxy.wait_for_log("(?s)" + "Reloaded profile.*" * (2 - len(entries)))
        if is_open:
            tunnel.sendall(b"still")
            assert tunnel.recv(10) == b"still"
        else:
            with contextlib.suppress(ConnectionResetError):
                assert tunnel.recv(10) == b""
    tunnel.close()
