"""The proxy's own keys over the wire: accepted in every place, on both listeners, and sent nowhere."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

KEY, NEXT = "static-0123456789-tokn", "static-9876543210-next"
OWN = "sk-ant-api03-client-0000000000-cLnt"
OWN_BEARER = "Bearer sk-ant-oat01-client-000000000-cOat"

WAYS = {
    "header": {"x-litellm-api-key": "{}"},
    "bearer": {"authorization": "Bearer {}"},
    "x-api-key": {"x-api-key": "{}"},
    "helper": {"authorization": "Bearer {}", "x-api-key": "{}"},
    "beside a login": {"authorization": OWN_BEARER, "x-api-key": "{}"},
    "beside an API key": {"authorization": "Bearer {}", "x-api-key": OWN},
    "after a wrong one": {"x-litellm-api-key": "wrong", "authorization": "Bearer {}"},
}

PAGES = ("/status", "/v1/models", "/health", "/status.css")
API = "https://api.anthropic.com"


def with_key(way: str, key: str) -> dict[str, str]:
    return {name: value.format(key) for name, value in WAYS[way].items()}


def test_each_way_on_each_listener(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    saved = tmp_path / "saved.flows"
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}),
            environ={"PROXY_STATIC_TOKEN": KEY, "PROXY_STATIC_TOKEN_NEXT": NEXT},
            behind=sim.url,
            arguments=[
                *proxies.anthropic_here(anthropic.port, tmp_path),
                *("-w", str(saved), "--set", "flow_detail=4", "-v"),
            ],
        )
        version = {"anthropic-version": "2023-06-01"}
        with (
            httpx.Client(base_url=proxy.url, trust_env=False, timeout=proxies.PATIENCE) as reverse,
            proxy.tunnel_client(base_url=API) as forward,
        ):
            for client in (reverse, forward):
                for way in WAYS:
                    for key in (KEY, NEXT):
                        headers = {**with_key(way, key), **version}
                        where = f"{way} at {client.base_url}"
                        for model in ("claude-opus-5-5", "glm"):
                            answer = client.post(
                                "/v1/messages", json=proxies.message(model), headers=headers
                            )
                            assert answer.status_code == 200, where
                        client.post(f"/v1/files?key={key}", headers=headers)
                        if client is reverse:
                            statuses = {
                                client.get(page, headers=headers).status_code for page in PAGES
                            }
                            assert statuses == {200}, where
                answer = client.post("/v1/messages", json=proxies.message(), headers=version)
                assert answer.status_code == 401
                assert answer.headers["x-should-retry"] == "false"
                wrong = with_key("helper", f"{KEY}x") | version
                answer = client.post("/v1/messages", json=proxies.message(), headers=wrong)
                assert answer.status_code == 401
        received = [*sim.requests, *anthropic.requests]
    assert {request.credential for request in received if request.bare_path == "/v1/messages"} == {
        proxies.POOL[0]
    }
    files = [request for request in received if request.bare_path == "/v1/files"]
    assert len(files) == 4 * len(WAYS)
    owns = {"beside a login": OWN_BEARER, "beside an API key": OWN}
    kept = {value for request in files for _, value in request.headers}
    assert set(owns.values()) <= kept
    basic = base64.b64encode(KEY.encode()).decode()
    log = proxy.close()
    for secret in (KEY, NEXT, basic):
        assert secret not in str([(request.path, request.headers) for request in received])
        assert secret not in log
        assert secret.encode() not in saved.read_bytes()


@pytest.mark.parametrize("way", ["bearer", "x-api-key", "helper"])
@pytest.mark.parametrize(
    ("tokens", "mode"), [((), {}), (proxies.POOL[:1], {"x-claude-token-mode": "passthrough"})]
)
def test_a_client_that_has_only_the_key(
    start: Start,
    sim: simulator.Simulator,
    way: str,
    tokens: tuple[str, ...],
    mode: dict[str, str],
) -> None:
    profile = proxies.profile(sim.url, pool={"tokens": list(tokens)})
    proxy = start(profile, environ={"PROXY_STATIC_TOKEN": KEY})
    headers = {**with_key(way, KEY), **mode, "anthropic-version": "2023-06-01"}
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=proxies.PATIENCE) as client:
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            answer = client.post(path, json=proxies.message(), headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
            assert "this client has none" in answer.json()["error"]["message"]
        assert not sim.requests
        for model in ("claude-opus-5-5", "glm"):
            own = {**headers, "x-api-key": OWN, "x-litellm-api-key": KEY}
            answer = client.post("/v1/messages", json=proxies.message(model), headers=own)
            assert answer.status_code == 200
    assert [request.credential for request in sim.requests] == [OWN, "zai-key-0123456789"]


def test_limits_of_the_pool_are_not_the_clients(start: Start, sim: simulator.Simulator) -> None:
    limits = (
        ("anthropic-ratelimit-unified-status", "allowed"),
        ("anthropic-ratelimit-unified-5h-utilization", "0.42"),
        ("anthropic-ratelimit-unified-5h-reset", "4102444800"),
        ("anthropic-organization-id", "org-of-somebody"),
    )
    sim.when(lambda recorded: True, answers.Answer(headers=limits))
    proxy = start(proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}))
    names = {name for name, _ in limits}
    with proxy.client() as client:
        for stream in (False, True):
            body = proxies.message(stream=stream)
            pooled = client.post("/v1/messages", json=body)
            assert not names & set(pooled.headers)
            mode = {"x-claude-token-mode": "passthrough"}
            assert names <= set(client.post("/v1/messages", json=body, headers=mode).headers)
        (token,) = client.get("/status").json()["pool"]["tokens"]
    assert "0.42" in str(token)
