from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from mitmproxy import connection
from mitmproxy import options
from mitmproxy.addons import next_layer
from mitmproxy.proxy import context
from mitmproxy.proxy.layers import tls
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.patches import first_bytes
from tests import growth


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    uninstall = first_bytes.install()
    yield
    uninstall()


@pytest.mark.parametrize(
    ("data", "host"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example"),
        (b"get / http/1.1\r\nx: y\r\nhost:  a.example:80 \r\n", "a.example:80"),
        (b"GET / HTTP/1.1\r\n\r\nHost: a.example\r\n", None),
        (b"GET / HTTP/1.1\r\nHost:  \r\n\r\n", None),
        (b"\x16\x03\x01", None),
        (b"GE", None),
        (b"GET /", None),
    ],
)
def test_the_host_header(data: bytes, host: str | None) -> None:
    assert first_bytes.host_header(data) == host


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a.exam", b"GET / HTTP/1.1\r\nx: y\r\n"]
)
def test_more_is_needed(data: bytes) -> None:
    with pytest.raises(next_layer.NeedsMoreData):
        first_bytes.host_header(data)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"A"),
        (b"GET / HTTP/1.1\r\nHost:", b" "),
        (b"GET / HTTP/1.1\r\nHost:", b" x"),
        (b"GET / HTTP/1.1\r\n", b"Host:\r\n"),
    ],
)
def test_time_is_linear(start: bytes, piece: bytes) -> None:
    heads = {size: start + piece * (size // len(piece)) for size in (2**17, 2**19)}

    def read(size: int) -> None:
        with contextlib.suppress(next_layer.NeedsMoreData):
            first_bytes.host_header(heads[size])

    assert growth.of(read, 2**17) < growth.LINEAR


def ignores(data: bytes) -> bool | None:
    client = tflow.tclient_conn()
    around = context.Context(client, options.Options())
    around.server = connection.Server(address=("a.example", 80))
    addon = next_layer.NextLayer()
    with taddons.context(addon) as tctx:
        tctx.configure(addon, allow_hosts=["b.example"])
        return addon._ignore_connection(around, data, b"")


def test_a_request_without_a_host_is_decided_at_last() -> None:
    head = b"GET / HTTP/1.1\r\nx: "
    with pytest.raises(next_layer.NeedsMoreData):
        ignores(head)
    assert ignores(head + b"y" * first_bytes.MOST) is False
    assert ignores(b"GET / HTTP/1.1\r\nHost: c.example\r\n\r\n") is True


def hello(size: int) -> bytes:
    whole = b"\x01" + size.to_bytes(3) + b"\0" * size
    return b"".join(
        b"\x16\x03\x01" + len(whole[at : at + 1000]).to_bytes(2) + whole[at : at + 1000]
        for at in range(0, len(whole), 1000)
    )


def test_a_client_hello_has_a_limit() -> None:
    assert tls.get_client_hello(hello(8000)) == b"\x01" + (8000).to_bytes(3) + b"\0" * 8000
    assert tls.get_client_hello(hello(8000)[:-1]) is None
    with pytest.raises(ValueError, match="too long"):
        tls.get_client_hello(hello(60_000)[:20_000])
