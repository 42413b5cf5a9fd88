from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from collections.abc import Iterator

import pytest
from mitmproxy import http
from mitmproxy.addons import proxyserver
from mitmproxy.addons import tlsconfig
from mitmproxy.addons import upstream_auth
from mitmproxy.proxy import mode_specs
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils

import simulator
from claude_route import discovery
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.proxy import upstreams
from tests.unit import states


def profile(url: str, **more: str) -> profiles.Profile:
    keys = "".join(f", {name}: {value}" for name, value in more.items())
    return profiles.parse(
        f"""
providers:
  anthropic: {{base_url: "{url}/anthropic"}}
  ollama: {{base_url: "{url}"{keys}}}
  remote: {{base_url: "https://openrouter.ai/api/v1", api: openai, api_key: other}}
  unset: {{base_url: "http://127.0.0.1:9", api_key: "${{UNSET}}"}}
  named: {{base_url: "http://127.0.0.1:9", auth: none}}
models: {{ollama/*: ollama/*, o-*: ollama/*, r/*: remote/*, u/*: unset/*, n: named/x, claude-*: anthropic/claude-*}}
""",
        {},
        "p.yaml",
    )


def request(path: str = "/v1/models?limit=1000", mode: str = "reverse") -> http.HTTPFlow:
    flow = tflow.tflow(req=tutils.treq(method=b"GET", path=path.encode()))
    flow.live = True
    spec = {"reverse": "reverse:https://api.anthropic.com@127.0.0.1:0", "regular": "regular"}[mode]
    flow.client_conn.proxy_mode = mode_specs.ProxyMode.parse(spec)
    return flow


class Asking:
    def __init__(self, url: str, **more: str) -> None:
        self.state: state.State = states.state_of(profile(url, **more))
        self.upstreams = upstreams.Upstreams(lambda: self.state.profile)
        self.discovery = discovery.Discovery(lambda: self.state, self.upstreams)

    def models(self) -> tuple[str, ...]:
        return self.state.served.models(self.state.profile.providers["ollama"])


@contextlib.asynccontextmanager
async def asking_at(url: str, **more: str) -> AsyncIterator[Asking]:
    asking = Asking(url, **more)
    options = proxyserver.Proxyserver(), tlsconfig.TlsConfig(), upstream_auth.UpstreamAuth()
    with taddons.context(*options, asking.upstreams):
        yield asking
        await asking.upstreams.client.close()


@pytest.fixture
def sim() -> Iterator[simulator.Simulator]:
    with simulator.Simulator() as running:
        yield running


def test_who_is_asked() -> None:
    asked = discovery.local_servers(profile("http://127.0.0.1:1"))
    assert [provider.name for provider in asked] == ["ollama"]


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({"auth": "bearer", "api_key": "secret"}, "authorization", "Bearer secret"),
        ({"auth": "x-api-key", "api_key": "secret"}, "x-api-key", "secret"),
        ({"auth": "none"}, "authorization", None),
        ({"auth": "none", "headers": "{x-mine: yes-please}"}, "x-mine", "yes-please"),
    ],
)
async def test_a_server_is_asked_with_its_own_credential(
    sim: simulator.Simulator, settings: dict[str, str], header: str, value: str | None
) -> None:
    async with asking_at(sim.url, **settings) as asking:
        await asking.discovery.request(request())
    (asked,) = sim.requests
    assert (asked.method, asked.path, asked.header(header)) == ("GET", "/v1/models", value)


async def test_what_it_lists_is_known() -> None:
    with simulator.Simulator() as sim:
        async with asking_at(sim.url, auth="none") as asking:
            await asking.discovery.request(request())
            assert asking.models()


async def test_one_that_is_down_fails_nothing() -> None:
    async with asking_at("http://127.0.0.1:9", auth="none") as asking:
        await asking.discovery.request(request())
    assert asking.models() == ()


@pytest.mark.parametrize(
    "flow",
    [
        request("/v1/messages"),
        request("/status"),
        request("/v1/models/glm"),
        request(mode="regular"),
    ],
    ids=["messages", "status", "one model", "forward listener"],
)
async def test_for_nothing_else_is_anybody_asked(
    sim: simulator.Simulator, flow: http.HTTPFlow
) -> None:
    asking = Asking(sim.url, auth="none")
    await asking.discovery.request(flow)
    refused = request()
    refused.response = http.Response.make(401)
    await asking.discovery.request(refused)
    assert not sim.requests
