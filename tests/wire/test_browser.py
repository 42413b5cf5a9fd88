"""The status page in a real browser, of proxies that have really been busy."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import limits
from simulator import recorded
from tests.wire import chromium
from tests.wire import mitmweb
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

KEY = "static-key-0123456789"


def profile(sim: simulator.Simulator) -> dict[str, Any]:
    routes = proxies.profile(sim.url)
    routes["providers"]["openrouter"] = {
        "base_url": f"{sim.url}/openrouter",
        "auth": "bearer",
        "api_key": "${OPENROUTER_API_KEY}",
    }
    routes["models"]["qwen"] = "openrouter/qwen/qwen3.6-plus:free"
    routes["fallbacks"] = {"claude-*": ["glm"]}
    routes["pool"] = {"tokens": ",".join(proxies.POOL[:4])}
    return routes


def keep_busy(sim: simulator.Simulator, client: httpx.Client) -> None:
    """Some sessions' requests: tokens run out, a target is down, and all are answered."""
    now = int(time.time())
    for token, (five_hour, seven_day) in zip(
        proxies.POOL, ((0.34, 0.22), (0.81, 0.48), (0.97, 0.63)), strict=False
    ):
        limited = limits.unified(
            five_hour=five_hour,
            seven_day=seven_day,
            five_hour_reset=now + 4 * 3600,
            seven_day_reset=now + 5 * 86400,
        )
        usage = {"input_tokens": 5100, "cache_read_input_tokens": 21300, "output_tokens": 712}
        sim.when(carries(token), answers.Answer(headers=limited, usage=usage))
    sim.when(
        lambda request: request.bearer == proxies.POOL[3],
        answers.failure(429, headers=limits.rejected("5h", now=now, five_hour_in=47 * 60)),
    )
    sim.when(lambda request: "/kimi/" in request.path, answers.failure(503))
    for number in range(12):
        model = ("claude-opus-5-5", "claude-opus-5-5", "claude-haiku-5", "glm")[number % 4]
        headers = {"x-claude-code-session-id": f"session-{number % 8}"}
        body = proxies.message(model, stream=True)
        assert client.post("/v1/messages", json=body, headers=headers).status_code == 200
    for _ in range(3):
        assert client.post("/v1/messages", json=proxies.message("kimi")).status_code == 503


def carries(token: str) -> recorded.Predicate:
    return lambda request: request.bearer == token


@pytest.fixture
def busy(sim: simulator.Simulator, start: Start, tmp_path: Path) -> proxies.Proxy:
    team = tmp_path / "team.yaml"
    team.write_text(json.dumps(profile(sim)))
    proxy = start({}, profile_name=str(team))
    with proxy.client() as client:
        keep_busy(sim, client)
    return proxy


def test_page(busy: proxies.Proxy, page: chromium.Page) -> None:
    assert page.open(f"{busy.url}/status") == 200
    page.screenshot("status", whole=True)
    rows = page.texts("tbody tr")
    assert len(rows) == 4 + 5 + 4
    resting = page.text("tbody tr:nth-child(4)")
    assert "…pol4" in resting
    assert re.search(r"resting 4[67] min", resting)
    assert "81 %" in page.text("tbody tr:nth-child(2)")
    assert "503" in page.text("tr:has-text('kimi/kimi-for-coding')")
    assert "OPENROUTER_API_KEY not set" in page.text("tr:has-text('qwen/qwen3.6')")
    assert page.complaints() == []
    assert all(url.startswith((busy.url, "data:")) for url in page.requests())


def test_page_for_screen_readers(busy: proxies.Proxy, page: chromium.Page) -> None:
    page.open(f"{busy.url}/status")
    wide = page.aria("main")
    assert 'heading "Claude tokens"' in wide
    assert 'columnheader "5 h used"' in wide
    assert 'meter "5 h used"' in wide
    page.open(f"{busy.url}/status", chromium.PHONE)
    assert roles(page.aria("main")) == roles(wide)


def roles(tree: str) -> list[str]:
    return re.findall(
        r"^ *- (?:'|\")?(table|row|rowheader|cell|columnheader)\b", tree, re.MULTILINE
    )


def test_page_on_a_phone_and_in_the_dark(busy: proxies.Proxy, page: chromium.Page) -> None:
    page.open(f"{busy.url}/status", dark=True)
    page.screenshot("status-dark")
    page.open(f"{busy.url}/status", chromium.PHONE)
    page.screenshot("status-phone")
    # Nothing sticks out at the side.
    assert page.evaluate("document.documentElement.scrollWidth") == chromium.PHONE[0]
    page.open(f"{busy.url}/status", chromium.PHONE, dark=True)
    page.screenshot("status-phone-dark")


def test_page_keeps_up(busy: proxies.Proxy, page: chromium.Page) -> None:
    page.open(f"{busy.url}/status")
    assert "claude-sonnet-5-5" not in page.text()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h2'))")
    with busy.client() as client:
        client.post("/v1/messages", json=proxies.message("claude-sonnet-5-5"))
    page.wait_for_text("claude-sonnet-5-5")
    assert page.evaluate("String(getSelection())").strip() == "Claude tokens"
    busy.close()
    page.wait_for_text("Not up to date: the proxy can’t be reached")


def test_names_of_clients_are_only_text(
    sim: simulator.Simulator, start: Start, page: chromium.Page
) -> None:
    proxy = start(profile(sim))
    name = "claude-<img src=x onerror=\"document.title='got in'\">&amp;'"
    with proxy.client() as client:
        client.post("/v1/messages", json=proxies.message(name))
    page.open(f"{proxy.url}/status")
    page.wait_for_text(name)
    assert page.evaluate("document.title") == "Status · claude-route"
    assert page.evaluate("document.images.length") == 0


def test_page_asks_for_the_key(sim: simulator.Simulator, start: Start, page: chromium.Page) -> None:
    proxy = start(profile(sim), environ={"PROXY_STATIC_TOKEN": KEY})
    assert page.open(f"{proxy.url}/status", password=KEY) == 200
    page.wait_for_text("No requests yet")
    with proxy.client(headers={"x-litellm-api-key": KEY}) as client:
        client.post("/v1/messages", json=proxies.message("glm"))
    page.wait("section[aria-labelledby=models] th:has-text('glm')")


def test_page_in_mitmweb(sim: simulator.Simulator, start: Start, page: chromium.Page) -> None:
    web = mitmweb.Web(start, profile(sim))
    page.open_mitmweb(f"{web.url}/status", mitmweb.PASSWORD)
    page.wait_for_text("No requests yet")
    with web.proxy.client() as client:
        keep_busy(sim, client)
    page.wait_for_text("claude-haiku-5")
    page.screenshot("status-mitmweb")
    assert [text for text in page.complaints() if "Security Policy" in text] == []
