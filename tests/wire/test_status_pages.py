from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import mitmweb
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

KEY = "static-key-0123456789"
PATHS = ("/status", "/status.css", "/status.js")
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def locked(sim: simulator.Simulator, start: Start) -> proxies.Proxy:
    return start(proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": KEY})


@pytest.mark.parametrize(
    "headers,code,challenged",
    [
        ({}, 401, False),
        (HTML, 401, True),
        ({"x-litellm-api-key": "wrong"}, 401, False),
        ({"x-litellm-api-key": KEY}, 200, False),
    ],
)
def test_who_may_look(
    locked: proxies.Proxy, headers: dict[str, str], code: int, challenged: bool
) -> None:
    for path in PATHS:
        answer = httpx.get(f"{locked.url}{path}", headers=headers, trust_env=False)
        assert answer.status_code == code
        is_file = "." in path and code == 401
        assert ("www-authenticate" in answer.headers) is (challenged or is_file)


def test_password_of_a_browser(locked: proxies.Proxy) -> None:
    def get(password: str, path: str = "/status") -> int:
        url = f"{locked.url}{path}"
        return httpx.get(url, auth=("me", password), headers=HTML, trust_env=False).status_code

    assert get(KEY) == 200
    assert get("wrong") == 401
    # It opens this page and nothing else.
    assert get(KEY, "/v1/models") == 401


def test_what_requests_came_to(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(
        proxies.profile(sim.url, fallbacks={"claude-*": ["glm"]}, pool={"tokens": proxies.POOL[0]})
    )
    usage = {"input_tokens": 11, "cache_read_input_tokens": 89, "output_tokens": 7}
    sim.when(lambda request: "/zai/" in request.path, answers.Answer(usage=usage))
    sim.when(lambda request: "/zai/" not in request.path, answers.failure(529))
    sim.when(lambda request: "/kimi/" in request.path, answers.failure(400))
    with proxy.client() as client:
        for stream in (True, False):
            body = proxies.message("claude-opus-5-5", stream=stream)
            assert client.post("/v1/messages", json=body).status_code == 200
        assert client.post("/v1/messages", json=proxies.message("kimi")).status_code == 400
        report = client.get("/status").json()
        assert client.head("/status").status_code == 200
    targets = {row["name"]: row for row in report["targets"]}
    failed = targets["anthropic/claude-opus-5-5"]
    assert (failed["state"], failed["attempts"], failed["failures"]) == ("failing", 2, 2)
    assert failed["last_error"] == "529"
    assert targets["zai/glm-5"]["state"] == "up"
    assert targets["kimi/kimi-for-coding"]["state"] == "up"
    opus, kimi = report["models"]
    assert (opus["name"], opus["requests"], opus["errors"]) == ("claude-opus-5-5", 2, 0)
    assert opus["first_byte"]["of"] == 2
    assert (opus["tokens"]["in"], opus["tokens"]["out"]) == (200, 14)
    assert (kimi["name"], kimi["requests"], kimi["errors"]) == ("kimi", 1, 1)
    assert report["in_flight"] == 0


def test_a_stream_that_another_addon_took_over_is_counted(
    sim: simulator.Simulator, start: Start, tmp_path: Path
) -> None:
    script = tmp_path / "taken_over.py"
    script.write_text("""
def responseheaders(flow):
    if flow.response.headers.get("content-type", "").startswith("text/event-stream"):
        flow.response.stream = lambda data: data
        flow.response.headers["x-taken-over"] = "yes"
""")
    proxy = start(proxies.profile(sim.url), arguments=["-s", str(script)])
    sim.default(answers.Answer(usage={"input_tokens": 11, "output_tokens": 7}))
    with proxy.client() as client:
        answer = client.post("/v1/messages", json=proxies.message("glm", stream=True))
        assert answer.headers["x-taken-over"] == "yes"
        (model,) = client.get("/status").json()["models"]
    assert (model["tokens"]["in"], model["tokens"]["out"]) == (11, 7)


def test_a_stream_that_its_client_left_is_counted(sim: simulator.Simulator, start: Start) -> None:
    proxy = start(proxies.profile(sim.url))
    sim.default(answers.Answer(usage={"input_tokens": 11}, event_delay=0.2))
    with (
        proxy.client() as client,
        client.stream("POST", "/v1/messages", json=proxies.message("glm", stream=True)) as answer,
    ):
        next(answer.iter_raw())

    def counts() -> Any:
        with proxy.client() as client:
            return client.get("/status").json()

    proxies.wait_until(lambda: counts()["in_flight"] == 0)
    assert counts()["models"][0]["tokens"]["in"] == 11


def test_in_mitmweb(sim: simulator.Simulator, start: Start, tmp_path: Path) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url))
    for path in PATHS:
        assert httpx.get(f"{web.url}{path}", trust_env=False).status_code == 403
        assert web.api.get(path).status_code == 200
    assert web.api.get("/status").json()["profile"] == "profile"
    page = web.api.get("/status", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in page.headers["content-security-policy"]
    assert "Claude tokens" in page.text


def test_requests_for_pages_are_not_listed(sim: simulator.Simulator, start: Start) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": KEY})
    with web.proxy.client(headers={"x-litellm-api-key": KEY}) as client:
        for path in ("/status", "/status.css", "/health"):
            client.get(path)
        client.get("/v1/models")
    httpx.get(f"{web.proxy.url}/status", trust_env=False)
    web.command("view.filter.set", "")
    paths = [(flow["request"]["path"], flow["response"]["status_code"]) for flow in web.flows()]
    assert paths == [("/v1/models", 200), ("/status", 401)]
