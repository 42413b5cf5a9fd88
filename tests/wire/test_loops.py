"""Providers that lead back to the proxy itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
from simulator import ports
from tests import listening
from tests.wire import corporate
from tests.wire import proxies

type Start = Callable[..., proxies.Proxy]


class Relay(listening.Listener):
    """A program on this machine that passes on all it gets to a port."""

    def __init__(self) -> None:
        self.to = 0
        super().__init__(self._pass_on)

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.to)) as upstream:
            corporate.relay(client, upstream)


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as running:
        yield running


def test_a_request_that_comes_back_is_answered_by_the_fallback(
    start: Start, sim: simulator.Simulator, relay: Relay
) -> None:
    profile = proxies.profile(sim.url)
    profile["providers"]["qwen"] = {"base_url": f"{relay.url}/anthropic"}
    profile["models"] |= {"qwen": "qwen/qwen", "glm": "zai/glm-5"}
    profile["fallbacks"] = {"qwen": ["glm"]}
    proxy = start(profile)
    relay.to = proxy.reverse_port
    with proxy.client() as client:
        answer = client.post("/v1/messages", json=proxies.message("qwen"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-route-target"] == "zai/glm-5"
    assert relay.connections == 1
    assert len(sim.requests) == 1


@pytest.mark.parametrize("url", ["http://localhost:{port}", "http://127.1:{port}/v1"])
def test_a_provider_that_is_the_proxy_ends_the_start(tmp_path: Path, url: str) -> None:
    port = ports.free()
    profile = proxies.profile(url.format(port=port))
    modes = [f"reverse:https://api.anthropic.com@127.0.0.1:{port}"]
    proxy = proxies.Proxy(tmp_path, profile, modes=modes, wait=False)
    assert proxy.process.wait(proxies.PATIENCE) == 1
    (line,) = [each for each in proxy.log.splitlines() if "base_url" in each]
    assert "providers.anthropic.base_url: expected another address" in line
    assert "Traceback" not in proxy.log


def test_a_reload_of_one_keeps_the_profile_before(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url))
    proxy.write_profile(proxies.profile(proxy.url))
    proxy.wait_for_log("this proxy's own listener.*keeping the previous profile")
    with proxy.client() as client:
        assert client.post("/v1/messages", json=proxies.message("glm")).status_code == 200
