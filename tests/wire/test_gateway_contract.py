"""What Anthropic asks of a gateway, at both listeners: to Anthropic, requests go on as they are."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

BETAS = "oauth-2025-04-20,not-yet-invented-2031-01-01, context-management-2025-06-27"
LOGIN = {
    "authorization": "Bearer sk-ant-oat01-client-000000000-cOat",
    "anthropic-version": "2023-06-01",
}
OPEN = {"anthropic-beta": BETAS, "anthropic-not-yet-invented": "Yes; q=1"}
BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330; cch=00000;"}


@pytest.fixture
def anthropic() -> Iterator[simulator.Simulator]:
    """Takes whatever it gets, as Anthropic will once it knows it."""
    with simulator.Simulator(strict=False) as running:
        yield running


@pytest.fixture
def own_host() -> Iterator[simulator.Simulator]:
    """api.anthropic.com, for what isn't routed."""
    with simulator.Simulator(tls=True) as running:
        yield running


@pytest.fixture(params=["reverse", "forward"])
def client(
    request: pytest.FixtureRequest,
    start: Start,
    anthropic: simulator.Simulator,
    own_host: simulator.Simulator,
    sim: simulator.Simulator,
    tmp_path: Path,
) -> Iterator[httpx.Client]:
    """Of one of the listeners, with a login of its own."""
    profile = proxies.profile(sim.url)
    profile["providers"]["anthropic"]["base_url"] = anthropic.url
    proxy = start(
        profile,
        behind=anthropic.url,
        arguments=proxies.anthropic_here(own_host.port, tmp_path),
    )
    if request.param == "reverse":
        made = httpx.Client(base_url=proxy.url, trust_env=False, timeout=proxies.PATIENCE)
    else:
        made = proxy.tunnel_client(base_url="https://api.anthropic.com")
    with made:
        made.headers.update(LOGIN)
        yield made


def test_what_is_not_yet_invented_goes_on(
    client: httpx.Client, anthropic: simulator.Simulator
) -> None:
    """Headers, betas and fields are open lists, and the attribution stays first in `system`."""
    system = [BILLING, {"type": "text", "text": "Be nice."}]
    body = proxies.message(system=system, not_yet_invented={"type": "new"})
    answer = client.post("/v1/messages?beta=true&next=1", json=body, headers=OPEN)
    assert answer.status_code == 200
    (request,) = anthropic.requests
    assert request.json == body
    assert request.path == "/v1/messages?beta=true&next=1"
    assert {name: request.header(name) for name in (*OPEN, *LOGIN)} == {**OPEN, **LOGIN}


def test_other_providers_get_none_of_it(client: httpx.Client, sim: simulator.Simulator) -> None:
    body = proxies.message("glm", system=[BILLING], speed="fast", fallbacks=[{"model": "x"}])
    assert client.post("/v1/messages?beta=true", json=body, headers=OPEN).status_code == 200
    (request,) = sim.requests
    assert not {"system", "speed", "fallbacks"} & request.json.keys()
    assert not any(request.header(name) for name in OPEN)
    assert LOGIN["authorization"] not in str(request.headers)


def test_an_error_of_anthropics_comes_as_it_is(
    client: httpx.Client, anthropic: simulator.Simulator
) -> None:
    wire = b'{ "type":"error","error":{"type":"invalid_request_error","message":"caf\\u00e9: bad"},"new":1}'
    headers = (("content-type", "application/json"), ("request-id", "req_1"))
    anthropic.script(answers.Answer(status=400, body=wire, headers=headers))
    answer = client.post("/v1/messages", json=proxies.message())
    assert (answer.status_code, answer.content) == (400, wire)
    assert answer.headers["request-id"] == "req_1"


def test_its_other_paths_pass(
    client: httpx.Client, anthropic: simulator.Simulator, own_host: simulator.Simulator
) -> None:
    client.head("/api/hello")
    body = {"model": "claude-opus-5-5", "messages": proxies.message()["messages"]}
    assert client.post("/v1/messages/count_tokens?beta=true", json=body).status_code == 200
    asked = [request.bare_path for request in (*anthropic.requests, *own_host.requests)]
    assert sorted(asked) == ["/api/hello", "/v1/messages/count_tokens"]


@pytest.mark.parametrize("client", ["reverse"], indirect=True)
def test_the_list_of_models_is_no_redirect(client: httpx.Client) -> None:
    """Claude Code follows none; at the forward listener it doesn't ask for the list."""
    answer = client.get("/v1/models?limit=1000", follow_redirects=False)
    assert answer.status_code == 200
    assert "claude-route/glm" in {model["id"] for model in answer.json()["data"]}
