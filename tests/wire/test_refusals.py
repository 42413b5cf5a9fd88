"""Parameters that a provider refuses: the request goes without them at once, and later ones do too."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import proxies

EFFORT = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
SERIAL = itertools.count(1)
"""What the proxy knows of a target outlasts a test, so each has a new model."""


@pytest.fixture(scope="module")
def proxy(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    profile = proxies.profile(shared_sim.url)
    keyed = {"auth": "bearer", "api_key": "chat-key-0123456789"}
    base_url = f"{shared_sim.url}/provider/v1"
    profile["providers"]["chat"] = {"base_url": base_url, "api": "openai", **keyed}
    profile["models"] |= {"chat/*": "chat/*", "zai/*": "zai/*"}
    running = proxies.Proxy(tmp_path_factory.mktemp("proxy"), profile, behind=shared_sim.url)
    yield running
    running.close()


@pytest.fixture(params=["reverse", "tunnel"])
def client(request: pytest.FixtureRequest, proxy: proxies.Proxy) -> Iterator[httpx.Client]:
    """Through each of the listeners."""
    headers = {"x-api-key": proxies.API_KEY}
    if request.param == "reverse":
        made = proxy.client()
    else:
        made = proxy.tunnel_client(base_url="https://api.anthropic.com", headers=headers)
    with made:
        yield made


def ask(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    body = proxies.message(model, **{**EFFORT, **fields})
    return client.post("/v1/messages", json=body)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("provider", "field", "name"),
    [
        ("chat", "reasoning_effort", "reasoning_effort"),
        ("zai", "output_config", "output_config.effort"),
    ],
)
def test_a_refused_effort(
    seen: simulator.Simulator,
    proxy: proxies.Proxy,
    client: httpx.Client,
    provider: str,
    field: str,
    name: str,
    stream: bool,
) -> None:
    model = f"{provider}/m{next(SERIAL)}"
    says = "`reasoning_effort` is not supported with this model"
    seen.when(lambda recorded: field in recorded.json, answers.failure(400, says))
    first = ask(client, model, stream=stream)
    assert (first.status_code, first.headers["x-route-attempts"]) == (200, "2")
    assert [field in recorded.json for recorded in seen.requests] == [True, False]
    second = ask(client, model, stream=stream)
    assert (second.status_code, second.headers["x-route-attempts"]) == (200, "1")
    assert [field in recorded.json for recorded in seen.requests] == [True, False, False]
    assert proxy.log.count(f"{model} refuses {name}: requests go without for 6 h.") == 1
    assert re.search(rf"{model} 400, .* → without {name}\n", proxy.log)
    rows = httpx.get(f"{proxy.url}/status", trust_env=False).json()["targets"]
    assert [row["left_out"] for row in rows if row["name"] == model] == [[name]]


def test_a_refusal_that_is_about_something_else(
    seen: simulator.Simulator, client: httpx.Client
) -> None:
    says = "Your prompt is not allowed: reasoning_effort is not supported"
    seen.default(answers.failure(400, says))
    try:
        answer = ask(client, f"chat/m{next(SERIAL)}")
    finally:
        seen.default(answers.Answer())
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]
    assert len(seen.requests) == 1
