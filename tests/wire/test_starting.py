"""What happens between the moment at which mitmproxy opens its listeners and the one at which all addons run."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire import proxies

type Start = Callable[..., proxies.Proxy]

SLOW = """
import asyncio
import pathlib

async def running():
    pathlib.Path("starting").touch()
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
"""
"""A script before ours, whose start takes until the test wants it to end."""


@pytest.fixture
def proxy(start: Start, tmp_path: Path) -> proxies.Proxy:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    before_ours = {"script": script, "arguments": ["-s", str(proxies.ADDONS)]}
    proxy = start(proxies.profile(proxies.NOWHERE), wait=False, **before_ours)
    proxies.wait_until((proxy.folder / "starting").exists)
    return proxy


def test_a_profile_that_changes_meanwhile_is_read_again(proxy: proxies.Proxy) -> None:
    proxy.write_profile(proxies.profile(proxies.NOWHERE, models={"new": "zai/glm-5"}))
    (proxy.folder / "go").touch()
    proxy.wait_for_log("Reloaded profile")


def test_a_request_waits_for_the_start(proxy: proxies.Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.reverse_port)) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        raw.settimeout(0.5)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        assert "is in force" not in proxy.log
        (proxy.folder / "go").touch()
        raw.settimeout(proxies.PATIENCE)
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert "is in force" in proxy.log
