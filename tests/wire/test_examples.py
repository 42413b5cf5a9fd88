"""docs/scripts.md: its scripts run, in mitmproxy without our other addons."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx

import simulator
from simulator import answers
from simulator import ports
from tests.wire import proxies

EXAMPLES = proxies.ROOT / "docs" / "examples"


@contextlib.contextmanager
def running(
    script: str, folder: Path, sim: simulator.Simulator, **environ: str
) -> Iterator[httpx.Client]:
    port = ports.free()
    proxy = proxies.Proxy(
        folder,
        {},
        script=EXAMPLES / script,
        modes=[f"reverse:{sim.url}@127.0.0.1:{port}"],
        environ=environ,
        wait=False,
    )
    try:
        proxy.wait_for_log("reverse proxy to")
        headers = {"x-api-key": proxies.API_KEY, "anthropic-version": "2023-06-01"}
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(
            base_url=url, headers=headers, trust_env=False, timeout=proxies.PATIENCE
        ) as client:
            yield client
    finally:
        proxy.close()


def test_tokens_are_shared_and_rest(tmp_path: Path, sim: simulator.Simulator) -> None:
    tokens = proxies.POOL[:3]
    with running("share_tokens.py", tmp_path, sim, CLAUDE_OAUTH_TOKENS=",".join(tokens)) as client:
        sim.script(answers.failure(429, headers=[("retry-after", "600")]))
        statuses = [
            client.post("/v1/messages", json=proxies.message()).status_code for _ in range(6)
        ]
    assert statuses == [429, 200, 200, 200, 200, 200]
    used = [request.header("authorization") for request in sim.requests]
    assert used == [f"Bearer {tokens[place]}" for place in (0, 1, 2, 1, 2, 1)]
    assert not any(request.header("x-api-key") for request in sim.requests)
    assert sim.requests[0].header("anthropic-beta") == "oauth-2025-04-20"


def test_no_token_is_an_answer(tmp_path: Path, sim: simulator.Simulator) -> None:
    with running("share_tokens.py", tmp_path, sim) as client:
        assert client.post("/v1/messages", json=proxies.message()).status_code == 503
    assert not sim.requests


def test_one_provider_needs_its_key(tmp_path: Path) -> None:
    proxy = proxies.Proxy(tmp_path, {}, script=EXAMPLES / "one_provider.py", wait=False)
    try:
        assert proxy.process.wait(proxies.PATIENCE) == 1
        assert "Set ZAI_API_KEY first" in proxy.log
    finally:
        proxy.close()


def test_one_provider_gets_what_it_understands(tmp_path: Path, sim: simulator.Simulator) -> None:
    with running(
        "one_provider.py",
        tmp_path,
        sim,
        ZAI_API_KEY="zai-key-0123456789",
        ZAI_URL=f"{sim.url}/provider/zai",
    ) as client:
        request = proxies.message(context_management={"edits": []}, service_tier="auto")
        assert client.post("/v1/messages", json=request).status_code == 200
        assert client.post("/v1/messages", content=b"{").status_code == 400
        assert client.get("/v1/files").status_code == 404
    (sent,) = sim.requests
    body = json.loads(sent.body)
    assert body["model"] == "glm-5"
    assert not {"context_management", "service_tier"} & body.keys()
    assert sent.header("authorization") == "Bearer zai-key-0123456789"
    assert proxies.API_KEY not in str(sent.headers)
