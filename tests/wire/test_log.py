"""The log of a mitmdump: one line for each request, there at once."""

from __future__ import annotations

import concurrent.futures
import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

TIME = r"\[[\d:.]+\]"
CLIENT = rf"{TIME}\[127\.0\.0\.1:\d+\]"


def profile(sim: simulator.Simulator) -> dict[str, object]:
    pool = {"tokens": list(proxies.POOL[:2])}
    return proxies.profile(sim.url, pool=pool, fallbacks={"claude-*": ["glm"]})


def ask(proxy: proxies.Proxy, model: str = "claude-opus-5-5") -> int:
    with proxy.client() as client:
        return client.post("/v1/messages", json=proxies.message(model)).status_code


def lines(proxy: proxies.Proxy) -> list[str]:
    """Those that follow the last line of the start."""
    return proxy.log.rpartition("ANTHROPIC_BASE_URL")[2].splitlines()[1:]


def test_a_line_for_each_request(start: Start, sim: simulator.Simulator) -> None:
    # Not PYTHONUNBUFFERED, as a service is started.
    proxy = start(profile(sim), environ={"PYTHONUNBUFFERED": ""})
    proxy.wait_for_log("ANTHROPIC_BASE_URL")
    assert ask(proxy) == 200
    sim.when(lambda recorded: recorded.model == "claude-opus-5-5", answers.failure(429))
    assert ask(proxy) == 200
    assert ask(proxy) == 200
    assert ask(proxy, "nope") == 404
    proxy.wait_for_log("✗ nope")
    numbers = r"\d+ in / \d+ out"
    rests = r"rests \d+ s"
    expected = [
        rf"{CLIENT} opus-5-5 → anthropic · {numbers} · [\d.]+ m?s · <?\$[\d.]+",
        rf"{TIME} claude-opus-5-5: anthropic \(token 2 …pol2\) 429, {rests} → anthropic \(token 1 …pol1\)",
        rf"{TIME} claude-opus-5-5: anthropic \(token 1 …pol1\) 429, {rests} → zai/glm-5",
        rf"{CLIENT} opus-5-5 → zai/glm-5 · try 3 · {numbers} · [\d.]+ m?s · <?\$[\d.]+",
        rf"{CLIENT} opus-5-5 → zai/glm-5 · {numbers} · [\d.]+ m?s · <?\$[\d.]+ · "
        r"passed over: token 1 rests .*, token 2 rests .*",
        rf"{CLIENT} ✗ nope · 404 model: 'nope' is not in this proxy's profile, which has: glm, kimi, claude-\*",
    ]
    found = [line for line in lines(proxy) if "Ledger: " not in line]
    assert len(found) == len(expected), proxy.log
    for line, pattern in zip(found, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_a_user_may_have_mitmproxys_lines(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(profile(sim), arguments=["--set", "flow_detail=1"])
    assert ask(proxy) == 200
    proxy.wait_for_log("POST http")


def test_a_journal_with_warnings_only(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(
        profile(sim),
        arguments=["--set", "termlog_verbosity=warn"],
        environ={"PYTHONUNBUFFERED": ""},
    )
    assert ask(proxy) == 200
    assert ask(proxy, "nope") == 404
    proxy.wait_for_log("✗ nope")
    assert len(proxy.log.splitlines()) == 1


@pytest.mark.parametrize("path", ["/health", "/status", "/v1/models"])
def test_pages(start: Start, sim: simulator.Simulator, tmp_path: Path, path: str) -> None:
    proxy = start(profile(sim))
    with proxy.client() as client:
        assert client.get(path).status_code == 200
    assert ask(proxy) == 200
    proxy.wait_for_log("opus-5-5 →")
    assert (f"GET {path} · 200 ·" in proxy.log) is (path == "/v1/models")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/files"])
def test_ctrl_c_is_quiet_with_a_request_in_flight(
    start: Start, sim: simulator.Simulator, path: str
) -> None:
    sim.when(lambda recorded: True, answers.Answer(before_head="silence"))
    proxy = start(profile(sim), behind=sim.url)
    with proxy.client() as client, concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(client.post, path, json=proxies.message())
        proxies.wait_until(lambda: sim.requests)
        proxy.process.send_signal(signal.SIGINT)
        assert proxy.process.wait(proxies.PATIENCE) == 0
        assert isinstance(answer.exception(proxies.PATIENCE), httpx.TransportError)
    assert "Traceback" not in proxy.log
    assert "Exception" not in proxy.log
