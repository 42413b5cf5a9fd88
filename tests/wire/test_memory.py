"""What a real mitmweb keeps of the flows that it has seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import simulator
from tests.wire import mitmweb
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]


def resident(pid: int) -> int:
    """Megabytes of memory that a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise AssertionError


def test_mitmweb_keeps_to_its_limits(sim: simulator.Simulator, start: Start) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url), keep_flows=20, keep_megabytes=1)
    with web.proxy.client() as client:
        for number in range(40):
            body = proxies.message(text=f"{number} " + "x" * 100_000)
            client.post("/v1/messages", json=body).raise_for_status()
    flows = web.flows()
    assert len(flows) <= 21
    with_body = [flow for flow in flows if flow["request"]["contentLength"]]
    assert 8 <= len(with_body) <= 11
    assert with_body == flows[-len(with_body) :]
    first, last = flows[0]["id"], flows[-1]["id"]
    stripped = web.api.get(f"/flows/{first}/request/content/auto.json").json()
    assert stripped["text"] == "Content is missing."
    assert b"39 xxx" in web.api.get(f"/flows/{last}/request/content.data").content


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_of_many_flows(sim: simulator.Simulator, start: Start) -> None:
    """The limits that nobody has set are ones that a laptop can live with."""
    web = mitmweb.Web(start, proxies.profile(sim.url))
    body = proxies.message("glm", "x" * 200_000)
    with web.proxy.client() as client:
        for _ in range(2000):
            client.post("/v1/messages", json=body).raise_for_status()
    assert len(web.flows()) >= 1900
    megabytes = resident(web.proxy.process.pid)
    assert megabytes < 300
