"""No secret in any sink: mitmweb's API and WebSocket, the pages there and at the reverse listener, saved flows, exports,
copies, the log."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado import httpclient
from tornado import websocket

import simulator
from simulator import answers
from simulator import ports
from tests.wire import mitmweb
from tests.wire import proxies
from tests.wire import shown_pages

Start = Callable[..., proxies.Proxy]

STATIC = "static-MARKED-0123456789-stat"
CLIENT_KEY = "sk-ant-api03-MARKED-client-key-0000-ckey"
CLIENT_TOKEN = "sk-ant-oat01-MARKED-client-oauth-000-coau"
COOKIE = "MARKED-cookie-0123456789-cook"
POOL = ["sk-ant-oat01-MARKED-pool-one-00000-pol1", "sk-ant-oat01-MARKED-pool-two-00000-pol2"]
ZAI_KEY = "zai-MARKED-0123456789-zkey"
CHAT_KEY = "chat-MARKED-0123456789-chat"

SECRETS = [STATIC, CLIENT_KEY, CLIENT_TOKEN, COOKIE, *POOL, ZAI_KEY, CHAT_KEY]


def profile(url: str) -> dict[str, Any]:
    return {
        "providers": {
            "anthropic": {"base_url": url, "auth": "pool"},
            "zai": {"base_url": f"{url}/provider", "auth": "bearer", "api_key": "${ZAI_API_KEY}"},
            "chat": {
                "base_url": f"{url}/provider/v1",
                "api": "openai",
                "auth": "x-api-key",
                "api_key": "${CHAT_KEY}",
            },
            "dead": {
                "base_url": f"http://127.0.0.1:{ports.free()}",
                "auth": "bearer",
                "api_key": "${ZAI_API_KEY}",
            },
        },
        "models": {
            "dead": "dead/x",
            "glm": "zai/glm-5",
            "chat": "chat/gpt-x",
            "claude-*": "anthropic/claude-*",
        },
        "fallbacks": {"claude-*": ["glm"], "dead": ["glm"], "chat": ["glm"]},
        "pool": {"tokens": "${CLAUDE_OAUTH_TOKENS}"},
    }


class Listener:
    """What mitmweb pushes to browsers."""

    def __init__(self, web: mitmweb.Web) -> None:
        self.heard: list[str] = []
        self._web = web
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        assert self._ready.wait(proxies.PATIENCE)
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join(proxies.PATIENCE)

    async def _listen(self) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in self._web.api.cookies.items())
        request = httpclient.HTTPRequest(
            self._web.url.replace("http", "ws") + "/updates", headers={"cookie": cookies}
        )
        connection = await websocket.websocket_connect(request)
        self._ready.set()
        while (message := await connection.read_message()) is not None:
            self.heard.append(message if isinstance(message, str) else message.decode())


@pytest.fixture
def web(start: Start, sim: simulator.Simulator, tmp_path: Path) -> Iterator[mitmweb.Web]:
    with simulator.Simulator(tls=True) as anthropic:
        yield mitmweb.Web(
            functools.partial(start, behind=sim.url),
            profile(sim.url) | {"ledger": f"sqlite:///{tmp_path / 'ledger.db'}"},
            save_stream_file=str(tmp_path / "stream.flows"),
            flow_detail="4",
            keep_bodies="50",
            termlog_verbosity="debug",
            environ={
                "PROXY_STATIC_TOKEN": STATIC,
                "CLAUDE_OAUTH_TOKENS": ",".join(POOL),
                "ZAI_API_KEY": ZAI_KEY,
                "CHAT_KEY": CHAT_KEY,
            },
            arguments=proxies.anthropic_here(anthropic.port, tmp_path),
        )


def send(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    return client.post("/v1/messages", json=proxies.message(model, **fields))


def traffic(proxy: proxies.Proxy, sim: simulator.Simulator) -> None:
    headers = {
        "x-litellm-api-key": STATIC,
        "authorization": f"Bearer {CLIENT_TOKEN}",
        "x-api-key": CLIENT_KEY,
        "cookie": f"session={COOKIE}",
    }
    with proxy.client(headers=headers) as client:
        assert send(client, "claude-opus-5-5").status_code == 200
        assert send(client, "claude-opus-5-5", stream=True).status_code == 200
        sim.script(answers.failure(429), answers.failure(529))
        assert send(client, "claude-opus-5-5", stream=True).headers["x-route-attempts"] == "3"
        # A provider that echoes the key it refuses.
        sim.script(answers.failure(401, f"Incorrect API key provided: {CHAT_KEY}"))
        assert send(client, "chat", stream=True).status_code == 200
        assert send(client, "dead").status_code == 200
        own = {"x-litellm-api-key": f"{STATIC}, x-claude-token-mode: passthrough"}
        client.post("/v1/messages", json=proxies.message(), headers=own)
        client.post("/v1/files", content=b"file")
        assert client.get("/status").status_code == 200
        sim.script(answers.Answer(event_delay=0.2))
        with client.stream("POST", "/v1/messages", json=proxies.message(stream=True)) as leaving:
            next(leaving.iter_raw())
        refused = {"x-litellm-api-key": f"{STATIC}-and-more"}
        assert (
            client.post("/v1/messages", json=proxies.message(), headers=refused).status_code == 401
        )
    with_password = f"http://me:{STATIC}@127.0.0.1:{proxy.proxy_port}"
    with proxy.tunnel_client(proxy=with_password, headers=headers) as client:
        url = "https://api.anthropic.com/v1/messages"
        client.post(url, json=proxies.message())
        client.get("https://api.anthropic.com/api/oauth/profile")


EXPORTS = ("curl", "httpie", "raw", "raw_request", "raw_response")


def handle(web: mitmweb.Web, tmp_path: Path) -> None:
    """An edit, a duplicate, replays, exports."""
    for flow in web.flows():
        path = f"/flows/{flow['id']}"
        edit = {"comment": "mine", "request": {"path": flow["request"]["path"]}}
        web.api.put(path, json=edit).raise_for_status()
        web.api.post(f"{path}/duplicate").raise_for_status()
        if flow["request"]["path"].startswith("/v1/messages"):
            web.api.post(f"{path}/replay").raise_for_status()
    for form in EXPORTS:
        for number, flow in enumerate(web.flows()):
            with contextlib.suppress(AssertionError):  # some have nothing to export
                file = tmp_path / f"export-{form}-{number}"
                web.command("export.file", form, f"@{flow['id']}", str(file))
                web.command("export.clip", form, f"@{flow['id']}")
    web.command("save.har", "@all", str(tmp_path / "all.har"))
    web.command("save.file", "@all", str(tmp_path / "all.flows"))


def shown(web: mitmweb.Web) -> Iterator[tuple[str, bytes]]:
    """All that mitmweb's API returns."""

    def got(path: str) -> bytes:
        return web.api.get(path).raise_for_status().content

    for path in ("/flows", "/flows/dump", "/events", "/state", "/options", "/status"):
        yield path.removeprefix("/"), got(path)
    for flow in web.flows():
        for side in ("request", "response"):
            if (flow.get(side) or {}).get("contentLength") is None:
                continue
            path = f"/flows/{flow['id']}/{side}"
            yield path, got(f"{path}/content.data")
            for view in ("auto", "raw", "claude", "claude-full", "claude-upstream"):
                yield f"{path} {view}", got(f"{path}/content/{view}")


def pages(web: mitmweb.Web) -> Iterator[tuple[str, bytes]]:
    """What the pages show, in mitmweb and at the reverse listener."""
    yield from shown_pages.of(web.api)
    with web.proxy.client(headers={"x-litellm-api-key": STATIC}) as client:
        yield from shown_pages.of(client)
        yield "/metrics", client.get("/metrics").raise_for_status().content


def test_no_secret_in_any_sink(web: mitmweb.Web, sim: simulator.Simulator, tmp_path: Path) -> None:
    proxy = web.proxy
    sinks: dict[str, bytes] = {}
    with Listener(web) as listener:
        traffic(proxy, sim)
        handle(web, tmp_path)
        proxies.wait_until(
            lambda: all(flow.get("response") or flow.get("error") for flow in web.flows())
        )
        sinks |= dict(shown(web))
        sinks |= dict(pages(web))
        sim.default(answers.Answer(event_delay=0.5))
        headers = {"x-litellm-api-key": STATIC, "x-api-key": CLIENT_KEY}
        with proxy.client(headers=headers) as one, proxy.client(headers=headers) as two:
            body = proxies.message(stream=True)
            with (
                one.stream("POST", "/v1/messages", json=body) as first,
                two.stream("POST", "/v1/messages", json=body) as second,
            ):
                assert first.status_code == second.status_code == 200
                sinks["in flight"] = web.api.get("/flows").content
                sinks["log"] = proxy.close().encode()
    sinks["websocket"] = "\n".join(listener.heard).encode()
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.suffix != ".pem" and "chromium" not in str(file):
            sinks[str(file.relative_to(tmp_path))] = file.read_bytes()

    assert len(listener.heard) > 20
    assert len(sinks["stream.flows"]) > 20_000
    assert b"{{pool #1" in sinks["flows"]
    hars = [data for name, data in sinks.items() if ".har" in name and "/sessions" in name]
    assert len(hars) >= 2
    assert all(b"postData" in data for data in hars)
    assert sinks["all.har"] and sinks["all.flows"]
    exported = {name.split("-")[1] for name in sinks if name.startswith("export-")}
    assert exported == set(EXPORTS)
    hidden = [
        (name, secret) for name, data in sinks.items() for secret in forms() if secret in data
    ]
    assert hidden == []
    check_upstreams(sim)


def forms() -> list[bytes]:
    """Each secret unchanged and in base64."""
    plain = [secret.encode() for secret in SECRETS]
    return [
        *plain,
        *(base64.b64encode(b"me:" + secret) for secret in plain),
        *(json.dumps(secret).encode() for secret in SECRETS),
    ]


def check_upstreams(sim: simulator.Simulator) -> None:
    expected = {
        "/provider/v1/messages": {ZAI_KEY},
        "/provider/v1/chat/completions": {CHAT_KEY},
        "/v1/files": {CLIENT_TOKEN},
    }
    assert expected.keys() <= {request.bare_path for request in sim.requests}
    for request in sim.requests:
        if request.bare_path in expected:
            assert request.credential in expected[request.bare_path]
        else:
            assert request.credential in (*POOL, CLIENT_TOKEN)
        others = set(SECRETS) - {request.credential, COOKIE, CLIENT_KEY}
        values = str(request.headers)
        assert not [secret for secret in others if secret in values]
