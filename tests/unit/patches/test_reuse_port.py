from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy.proxy import mode_servers
from mitmproxy.proxy import mode_specs

from claude_route.patches import reuse_port
from simulator import ports

pytestmark = pytest.mark.skipif(not reuse_port.is_available(), reason="no SO_REUSEPORT here")


@pytest.fixture
def port() -> int:
    return ports.free()


@pytest.fixture
def shared() -> Iterator[None]:
    undo = reuse_port.install(is_first=False)
    yield
    undo()


async def listen(port: int, mode: str = "regular") -> asyncio.Server:
    spec = mode_specs.ProxyMode.parse(f"{mode}@127.0.0.1:{port}")
    manager: Any = None
    server: Any = mode_servers.ServerInstance.make(spec, manager)
    (opened,) = await server.listen("127.0.0.1", port)
    assert isinstance(opened, asyncio.Server)
    return opened


# For https, mitmproxy would listen on UDP too.
@pytest.mark.parametrize(
    "mode", ["regular", "reverse:http://127.0.0.1:9", "reverse:https://127.0.0.1:9"]
)
async def test_two_listen_at_one_port(port: int, mode: str, shared: None) -> None:
    servers = [await listen(port, mode), await listen(port, mode)]
    for server in servers:
        server.close()


async def test_the_first_one_wants_it_for_itself(port: int, shared: None) -> None:
    other = await listen(port)
    undo = reuse_port.install(is_first=True)
    try:
        with pytest.raises(OSError) as refused:
            await listen(port)
        assert refused.value.errno == errno.EADDRINUSE
        other.close()
        (await listen(port)).close()
    finally:
        undo()


async def test_undone(port: int) -> None:
    reuse_port.install(is_first=False)()
    first = await listen(port)
    with pytest.raises(OSError):
        await listen(port)
    first.close()


def test_who_balances() -> None:
    assert reuse_port.balances() == (sys.platform == "linux")
