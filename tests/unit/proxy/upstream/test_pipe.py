from __future__ import annotations

import asyncio

import pytest

from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import proxies
from tests.unit.proxy.upstream import servers

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def through(server: servers.Server) -> dial.Destination:
    proxy = proxies.Proxy("http", "127.0.0.1", server.port, "me", "secret")
    return dial.Destination("https", "ssh.example", 22, proxy)


@pytest.mark.parametrize("cut", range(len(OPENED) + 1))
async def test_the_other_end_may_speak_first(upstream: client.Client, cut: int) -> None:
    """Whatever comes together with the proxy's answer."""
    whole = OPENED + b"SSH-2.0"

    async def greet(peer: servers.Peer) -> None:
        heads.append(await peer.head())
        await peer.send(whole[:cut])
        for _ in range(3):
            await asyncio.sleep(0)
        await peer.send(whole[cut:])
        await peer.send(b"got " + await peer.reader.readexactly(2))
        await peer.gone()

    heads: list[bytes] = []
    async with servers.serving(greet) as server:
        reader, writer = await upstream.pipe(through(server))
        assert await reader.readexactly(7) == b"SSH-2.0"
        writer.write(b"hi")
        assert await reader.readexactly(6) == b"got hi"
        writer.close()
        await writer.wait_closed()
    assert heads[0].startswith(b"CONNECT ssh.example:22 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("response", "error", "why"),
    [
        (b"HTTP/1.1 407 Who\r\n\r\n", dial.BarredError, r"another user and password \(407\)"),
        (b"HTTP/1.1 401 Who\r\n\r\n", dial.BarredError, r"another user and password \(401\)"),
        (b"HTTP/1.1 403 Filtered\r\n\r\n", dial.BarredError, "403 Filtered"),
        (b"HTTP/1.1 502 Nobody\r\n\r\n", dial.UnreachableError, "502 Nobody"),
        (b"what?\r\n\r\n", dial.UnreachableError, "what"),
        (b"", dial.UnreachableError, "closed the connection"),
    ],
)
async def test_a_proxy_that_opens_none(
    upstream: client.Client, response: bytes, error: type[OSError], why: str
) -> None:
    async def refuse(peer: servers.Peer) -> None:
        await peer.head()
        await peer.send(response)

    async with servers.serving(refuse) as server:
        with pytest.raises(dial.UnreachableError, match=why) as raised:
            await upstream.pipe(through(server))
    assert type(raised.value) is error
    assert "secret" not in str(raised.value)


async def test_a_proxy_that_is_not_there(upstream: client.Client) -> None:
    proxy = proxies.Proxy("http", "127.0.0.1", 1)
    with pytest.raises(dial.UnreachableError, match=r"no connection to 127\.0\.0\.1:1"):
        await upstream.pipe(dial.Destination("https", "a.example", 443, proxy))
