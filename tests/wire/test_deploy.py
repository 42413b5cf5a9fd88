"""Two proxies behind deploy/haproxy/haproxy.cfg, and the way from LiteLLM to here with both running."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

import simulator
from simulator import ports
from tests import paths
from tests.wire import proxies

HAPROXY = shutil.which("haproxy", path="/usr/local/sbin:/usr/sbin:/usr/bin")
CONFIG = paths.ROOT / "deploy" / "haproxy" / "haproxy.cfg"
LITELLM_CONFIG = paths.ROOT / "tests" / "unit" / "profile" / "team_config.yaml"

KEY = "team-key-0123456789abcdef"

needs_haproxy = pytest.mark.skipif(
    HAPROXY is None, reason="HAProxy is not installed: apt-get install haproxy"
)

Start = Callable[..., proxies.Proxy]


class Front:
    """HAProxy with the file of deploy/, but for its addresses; `client()` speaks HTTP/2 to it."""

    def __init__(self, folder: Path, behind: list[proxies.Proxy]) -> None:
        assert HAPROXY
        authority, self.port = trustme.CA(), ports.free()
        pem = folder / "tls.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
        self.trusts = ssl.create_default_context()
        authority.configure_trust(self.trusts)
        text = CONFIG.read_text().replace("/run/secrets/tls.pem", str(pem))
        text = text.replace("bind :8443", f"bind 127.0.0.1:{self.port}")
        servers = "".join(
            f"    server proxy{n} 127.0.0.1:{each.reverse_port}\n" for n, each in enumerate(behind)
        )
        text, count = re.subn(r"^ +server-template .*\n", servers, text, flags=re.MULTILINE)
        assert count == 1
        config = folder / "haproxy.cfg"
        config.write_text(text)
        self.process = subprocess.Popen(
            [HAPROXY, "-db", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"},
            verify=self.trusts,
            http2=True,
            trust_env=False,
            timeout=proxies.PATIENCE,
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def profile(sim: simulator.Simulator) -> dict[str, Any]:
    return proxies.profile(sim.url, pool={"tokens": ",".join(proxies.POOL[:2])})


@pytest.fixture
def team(start: Start, sim: simulator.Simulator) -> list[proxies.Proxy]:
    return [start(profile(sim), environ={"PROXY_STATIC_TOKEN": KEY}) for _ in range(2)]


@pytest.fixture
def front(tmp_path: Path, team: list[proxies.Proxy]) -> Iterator[httpx.Client]:
    made = Front(tmp_path, team)
    with made.client() as client:

        def is_up() -> bool:
            try:
                return client.get("/health").status_code == 200
            except httpx.TransportError:
                return False

        try:
            proxies.wait_until(is_up)
            yield client
        finally:
            made.close()


@needs_haproxy
def test_events_come_through_tls_one_by_one(front: httpx.Client) -> None:
    body = proxies.message(model="claude-sim-slow", stream=True)
    times: list[float] = []
    with front.stream("POST", "/v1/messages", json=body) as response:
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        for line in response.iter_lines():
            if line.startswith("event: content_block_delta"):
                times.append(time.monotonic())
    # The simulator waits 0.2 s before each.
    assert len(times) > 1
    assert times[-1] - times[0] > 0.1 * (len(times) - 1)


@needs_haproxy
def test_large_requests_pass(front: httpx.Client) -> None:
    response = front.post("/v1/messages", json=proxies.message(text="x" * 8_000_000))
    assert response.status_code == 200


@needs_haproxy
def test_metrics_are_for_those_inside(front: httpx.Client, team: list[proxies.Proxy]) -> None:
    assert front.get("/metrics").status_code == 404
    with team[0].client(headers={"x-api-key": KEY}) as inside:
        assert inside.get("/metrics").status_code == 200
    assert front.get("/status", headers={"accept": "application/json"}).status_code == 200


@needs_haproxy
def test_one_that_is_gone_costs_no_request_more_than_once(
    front: httpx.Client, team: list[proxies.Proxy]
) -> None:
    for _ in range(4):
        assert front.post("/v1/messages", json=proxies.message()).status_code == 200
    team[0].process.kill()
    team[0].process.wait()
    for _ in range(20):
        response = front.post("/v1/messages", json=proxies.message())
        if response.status_code != 200:
            # As Claude Code does after a 5xx.
            assert response.status_code in (502, 503)
            response = front.post("/v1/messages", json=proxies.message())
        assert response.status_code == 200


def litellm_config(sim: simulator.Simulator) -> str:
    """The config of the LiteLLM-based proxy, with providers that are here."""
    text = LITELLM_CONFIG.read_text()
    return re.sub(
        r"api_base: https://(\S+?)(/\S*)?$",
        lambda found: f"api_base: {sim.url}/provider/{found[1]}{found[2] or ''}",
        text,
        flags=re.MULTILINE,
    )


def test_from_litellm_with_both_running(start: Start, sim: simulator.Simulator) -> None:
    """As docs/from-litellm.md says: the new one beside the old at another port, tried, then in its place;
    clients stay as they are. A simulator plays LiteLLM here."""
    environ = {
        "PROXY_STATIC_TOKEN": KEY,
        "LITELLM_MASTER_KEY": "sk-master-0123456789",
        "ZAI_API_KEY": "zai-key-0123456789",
        "KIMI_API_KEY": "kimi-key-98765432",
        "OPENROUTER_API_KEY": "openrouter-key-0123",
        "CLAUDE_OAUTH_TOKENS": ",".join(proxies.POOL[:3]),
    }
    keys = {
        "api.z.ai": environ["ZAI_API_KEY"],
        "api.kimi.com": environ["KIMI_API_KEY"],
        "openrouter.ai": environ["OPENROUTER_API_KEY"],
    }
    # The key of the proxy, beside a login of the client's own.
    headers = {"x-litellm-api-key": KEY, "x-api-key": proxies.API_KEY}
    headers["anthropic-version"] = "2023-06-01"
    config = litellm_config(sim)

    def ask(url: str, model: str, **changed: str) -> httpx.Response:
        body = proxies.message(model)
        return httpx.post(
            f"{url}/v1/messages", json=body, headers=headers | changed, trust_env=False, timeout=30
        )

    def text(url: str, model: str) -> str:
        answer = ask(url, model)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["content"][-1]["text"])

    with simulator.Simulator() as old:
        beside = start(config, environ=environ, behind=sim.url)
        # Not Claude's models: those go to Anthropic itself, whatever a config says.
        for model in ("glm", "glm-fast", "kimi", "openrouter"):
            assert text(beside.url, model) == text(old.url, "claude-opus-5-5")
        asked = {request.path.split("/")[2]: request.credential for request in sim.requests}
        assert asked == keys
        # Without LiteLLM's key, or with its master key, one gets nothing here either.
        for wrong in ("", environ["LITELLM_MASTER_KEY"]):
            assert ask(beside.url, "glm", **{"x-litellm-api-key": wrong}).status_code == 401
    beside.close()

    port = httpx.URL(old.url).port
    mode = f"reverse:{sim.url}@127.0.0.1:{port}"
    start(config, environ=environ, modes=[mode], wait=False)
    proxies.wait_until(lambda: is_listening(old.url))
    assert text(old.url, "glm") == "You said: hello"


def is_listening(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_imported_profile_says_the_same(tmp_path: Path) -> None:
    """`claude-route import` gives a profile that `check` describes as it does the config itself."""
    (tmp_path / "config.yaml").write_text(LITELLM_CONFIG.read_text())

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "claude_route", *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    (tmp_path / "mine.yaml").write_text(run("import", "config.yaml"))
    routes = [
        run("check", f"./{name}").partition("Models\n")[2] for name in ("config.yaml", "mine.yaml")
    ]
    tables = [each.partition("\nPool:")[0] for each in routes]
    assert tables[0] == tables[1]
    assert tables[0].count("→") >= 6
