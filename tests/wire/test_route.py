"""A request's path through a real mitmdump: where it goes, with which content, and what comes back."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy import io as mitmproxy_io

import claude_route
import simulator
from simulator import answers
from simulator import limits
from simulator import ports
from tests import listening
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

STATIC = "static-0123456789-tokn"
POOL = {"tokens": list(proxies.POOL[:3])}


@pytest.fixture(scope="module")
def shared(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    """One proxy without a pool, for the tests that leave nothing behind in it."""
    proxy = proxies.Proxy(
        tmp_path_factory.mktemp("shared"),
        proxies.profile(shared_sim.url, providers=providers(shared_sim.url)),
        behind=shared_sim.url,
        environ={"ZAI_API_KEY": "zai-key-0123456789"},
    )
    yield proxy
    proxy.close()


def providers(url: str) -> dict[str, Any]:
    named: dict[str, Any] = proxies.profile(url)["providers"]
    return {**named, "lost": {"base_url": url, "auth": "bearer", "api_key": "${LOST_API_KEY}"}}


def error(response: httpx.Response) -> tuple[int, str, str]:
    body = response.json()
    assert body["type"] == "error"
    return response.status_code, body["error"]["type"], body["error"]["message"]


# Where a request goes


@pytest.mark.parametrize(
    ("model", "path", "sent", "credential"),
    [
        ("glm", "/provider/zai/v1/messages?beta=true", "glm-5", "zai-key-0123456789"),
        ("kimi", "/provider/kimi/v1/messages?beta=true", "kimi-for-coding", "kimi-key-98765432"),
        ("claude-opus-5-5", "/v1/messages?beta=true", "claude-opus-5-5", proxies.API_KEY),
    ],
)
def test_a_model_is_routed(
    shared: proxies.Proxy,
    seen: simulator.Simulator,
    model: str,
    path: str,
    sent: str,
    credential: str,
) -> None:
    with shared.client() as client:
        response = client.post("/v1/messages?beta=true", json=proxies.message(model))
    assert response.status_code == 200, response.text
    assert response.json()["content"][-1]["text"] == "You said: hello"
    (request,) = seen.requests
    assert (request.path, request.model, request.credential) == (path, sent, credential)
    assert response.headers["x-route-attempts"] == "1"
    assert response.headers["x-route-target"].endswith("/" + sent)


def test_an_untouched_body_goes_byte_for_byte(
    shared: proxies.Proxy, seen: simulator.Simulator
) -> None:
    body = b'{ "model" : "claude-x",\n "messages":[{"role":"user","content":"\\u00e9\\ud83e"}],"x":1.0}'
    with shared.client() as client:
        client.post("/v1/messages", content=body)
        client.post("/v1/messages", content=body.replace(b"claude-x", b"kimi"))
    assert seen.requests[0].body == body
    assert b'"model" : "kimi-for-coding"' in seen.requests[1].body


def test_an_answer_of_anthropics_comes_byte_for_byte(
    shared: proxies.Proxy, seen: simulator.Simulator
) -> None:
    wire = (
        b": hello\n\nevent: message_start\r\ndata: {}\r\n\r\nevent: x-unknown\ndata: 1\ndata: 2\n\n"
        b"event: ping\ndata: {}\n\nevent: message_stop\ndata: {}\n\n"
    )
    headers = (("content-type", "text/event-stream"),)
    seen.script(answers.Answer(body=wire, headers=headers))
    with shared.client() as client:
        response = client.post("/v1/messages", json=proxies.message(stream=True))
    assert response.content == wire


def test_a_request_that_is_not_ours_passes_unchanged(
    shared: proxies.Proxy, seen: simulator.Simulator
) -> None:
    body = bytes(range(256)) * 1000
    with shared.client() as client:
        client.post(
            "/v1/files",
            content=body,
            headers={"x-claude-token-mode": "rotate", "x-litellm-api-key": "k", "x-other": "1"},
        )
    (request,) = seen.requests
    assert (request.path, request.body) == ("/v1/files", body)
    assert request.credential == proxies.API_KEY
    assert request.header("x-other") == "1"
    assert request.header("x-claude-token-mode") is request.header("x-litellm-api-key") is None


def test_an_unknown_model_is_answered_with_the_known_ones(
    shared: proxies.Proxy, seen: simulator.Simulator
) -> None:
    with shared.client() as client:
        status, kind, text = error(client.post("/v1/messages", json=proxies.message("gpt-9")))
    assert (status, kind) == (404, "not_found_error")
    assert "gpt-9" in text
    assert "glm" in text
    assert "claude-*" in text
    assert not seen.requests


def test_a_provider_without_its_key_is_named(start: Start, sim: simulator.Simulator) -> None:
    profile = proxies.profile(
        sim.url, providers=providers(sim.url), models={"lost": "lost/x", "claude-*": "anthropic/*"}
    )
    proxy = start(profile)
    proxy.wait_for_log("LOST_API_KEY")
    with proxy.client() as client:
        status, kind, text = error(client.post("/v1/messages", json=proxies.message("lost")))
    assert (status, kind) == (400, "invalid_request_error")
    assert "LOST_API_KEY" in text


def test_pages(shared: proxies.Proxy) -> None:
    with shared.client() as client:
        models = client.get("/v1/models?limit=1000").json()
        health = client.get("/health")
    names = [model["id"] for model in models["data"]]
    assert (names[:2], names[-2:]) == (["glm", "kimi"], ["claude-route/glm", "claude-route/kimi"])
    assert all(name.startswith("claude-") for name in names[2:])
    assert {model["type"] for model in models["data"]} == {"model"}
    assert models["data"][0]["display_name"] == "glm (zai/glm-5)"
    assert health.status_code == 200


def test_an_answer_to_head_has_no_body(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url), behind=sim.url, environ={"PROXY_STATIC_TOKEN": STATIC})
    with proxy.client() as client:
        for path, status in (("/health", 200), ("/v1/models", 401), ("/api/hello", 401)):
            like = client.get(path).headers["content-length"]
            head = client.head(path)
            assert (head.status_code, head.headers["content-length"]) == (status, like)
        assert client.get("/health").json() == {
            "status": "ok",
            "version": claude_route.__version__,
        }


@pytest.mark.parametrize("text", ["hi", "word " * 4000])
def test_tokens_are_estimated_for_providers_that_cannot_count(
    shared: proxies.Proxy, seen: simulator.Simulator, text: str
) -> None:
    request = proxies.message("glm", text, system=text, tools=[{"name": "t", "input_schema": {}}])
    with shared.client() as client:
        response = client.post("/v1/messages/count_tokens", json=request)
    counted = sum(len(json.dumps(request[key])) for key in ("system", "messages", "tools"))
    assert response.json()["input_tokens"] == pytest.approx(counted / 3.5, rel=0.2)
    assert not seen.requests


def test_tokens_are_counted_by_anthropic(shared: proxies.Proxy, seen: simulator.Simulator) -> None:
    with shared.client() as client:
        request = {"model": "claude-opus-5-5", "messages": proxies.message()["messages"]}
        response = client.post("/v1/messages/count_tokens", json=request)
    assert response.json()["input_tokens"] > 0
    assert seen.requests[0].path == "/v1/messages/count_tokens"


def test_the_first_event_comes_before_the_last_is_sent(
    start: Start, sim: simulator.Simulator
) -> None:
    profile = proxies.profile(sim.url)
    profile["providers"]["zai"]["thinking"] = {"responses": "strip"}
    proxy = start(profile)
    sim.script(
        answers.Answer(
            content=(simulator.Thinking("hm"), simulator.Text("a b c d")),
            event_delay=0.1,
            delta_size=1,
        )
    )
    with (
        proxy.client() as client,
        client.stream("POST", "/v1/messages", json=proxies.message("glm", stream=True)) as response,
    ):
        received = response.iter_text()
        first = next(received)
        assert sim.requests[0].ended is None
        rest = "".join(received)
    assert first.startswith("event: message_start")
    assert "thinking" not in first + rest
    assert rest.count('"index":0') == rest.count('"index"')


def test_a_litellm_config(start: Start, sim: simulator.Simulator) -> None:
    config = {
        "model_list": [
            {
                "model_name": "claude-*",
                "litellm_params": {
                    "model": "anthropic/claude-*",
                    "api_base": f"{sim.url}/provider",
                },
            },
            {
                "model_name": "other",
                "litellm_params": {
                    "model": "anthropic/glm-5",
                    "api_base": f"{sim.url}/provider/zai",
                    "api_key": "os.environ/OTHER_KEY",
                },
            },
        ],
        "router_settings": {"fallbacks": [{"claude-*": ["other"]}], "num_retries": 2},
        "litellm_settings": {"callbacks": "some.callback"},
    }
    proxy = start(config, environ={"OTHER_KEY": "other-key-0123456789"})
    proxy.wait_for_log("num_retries")
    with proxy.client() as client:
        assert post(client, "other").headers["x-route-target"].endswith("/glm-5")
    assert sim.requests[0].credential == "other-key-0123456789"


def test_status_says_what_broke_off_and_counts_its_tokens(
    start: Start, sim: simulator.Simulator
) -> None:
    proxy = start(proxies.profile(sim.url))
    slow = answers.Answer(event_delay=0.1)
    with proxy.client() as client:
        sim.script(slow)
        with client.stream("POST", "/v1/messages", json=proxies.message(stream=True)) as leaving:
            next(leaving.iter_raw())
        sim.wait_done(1)
        proxies.wait_until(lambda: client.get("/status").json()["in_flight"] == 0)
        (target,) = (t for t in client.get("/status").json()["targets"] if t["attempts"])
        assert (target["state"], target["failures"]) == ("up", 0)
        sim.script(answers.Answer(cut_events=5, end="reset"))
        post(client, stream=True)
        status = client.get("/status").json()
    (target,) = (t for t in status["targets"] if t["attempts"])
    assert (target["state"], target["failures"]) == ("failing", 1)
    (model,) = status["models"]
    assert model["tokens"]["in"] > 20
    assert model["errors"] == 1


# Bad input


def nested(depth: int, model: str) -> bytes:
    inside = b"[" * depth + b"]" * depth
    return b'{"model":"%s","messages":[],"x":%s}' % (model.encode(), inside)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 400, id="not JSON"),
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"[]", 400, id="an array"),
        pytest.param(b'"text"', 400, id="a string"),
        pytest.param(b'{"messages":[]}', 400, id="no model"),
        pytest.param(b'{"model":7,"messages":[]}', 400, id="model is a number"),
        pytest.param(b'{"model":"glm","messages":{}}', 400, id="messages is an object"),
        pytest.param(b"\xff\xfe\x00", 400, id="not text"),
        pytest.param(nested(100_000, "glm"), 400, id="nested, to be rewritten"),
    ],
)
def test_bad_input_is_answered_in_form(
    shared: proxies.Proxy, seen: simulator.Simulator, body: bytes, status: int
) -> None:
    with shared.client() as client:
        response = client.post("/v1/messages", content=body)
        assert error(response)[:2] == (status, "invalid_request_error")
        assert client.get("/health").status_code == 200
    assert not seen.requests


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(5000, "claude-x"), id="nested"),
        pytest.param(
            b'{"model":"claude-x","messages":[{"role":"user","content":"\\ud83e"}]}',
            id="lone surrogate",
        ),
    ],
)
def test_what_can_be_served_passes_untouched(
    shared: proxies.Proxy, seen: simulator.Simulator, body: bytes
) -> None:
    with shared.client() as client:
        client.post("/v1/messages", content=body)
    assert seen.requests[0].body == body


def test_a_body_that_is_too_large(shared: proxies.Proxy, seen: simulator.Simulator) -> None:
    with shared.client() as client:
        big = b'{"model":"claude-x","messages":[' + b" " * (33 * 1024 * 1024) + b"]}"
        whole = client.post("/v1/messages", content=big)
        chunks = (big[i : i + 100_000] for i in range(0, len(big), 100_000))
        chunked = client.post("/v1/messages", content=chunks)
    assert error(whole)[:2] == error(chunked)[:2] == (413, "request_too_large")
    assert not seen.requests


def test_a_compressed_body_that_is_no_gzip(shared: proxies.Proxy) -> None:
    with shared.client() as client:
        response = client.post("/v1/messages", content=b"{}", headers={"content-encoding": "gzip"})
    assert error(response)[:2] == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-claude-token-mode": "both"},
        {"x-litellm-api-key": "any, x-claude-token-mode: both"},
    ],
)
def test_an_unknown_token_mode(
    shared: proxies.Proxy, seen: simulator.Simulator, headers: dict[str, str]
) -> None:
    with shared.client(headers=headers) as client:
        status, kind, text = error(client.post("/v1/messages", json=proxies.message()))
    assert (status, kind) == (400, "invalid_request_error")
    assert "rotate" in text
    assert "passthrough" in text
    assert not seen.requests


def test_a_web_page_may_not_post(shared: proxies.Proxy, seen: simulator.Simulator) -> None:
    with shared.client(headers={"origin": "https://example.com"}) as client:
        assert error(client.post("/v1/messages", json=proxies.message()))[0] == 403
    assert not seen.requests


def test_header_bytes_that_are_not_text(shared: proxies.Proxy, seen: simulator.Simulator) -> None:
    with socket.create_connection(("127.0.0.1", shared.reverse_port)) as raw:
        body = json.dumps(proxies.message()).encode()
        raw.sendall(
            b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: \xff\xfe\r\n"
            b"anthropic-version: 2023-06-01\r\nx-litellm-api-key: \xff\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert raw.makefile("rb").readline().split()[1] == b"200"
    assert seen.requests[0].credential == "\xff\xfe"


# Credentials


def post(
    client: httpx.Client,
    model: str = "claude-opus-5-5",
    *,
    stream: bool = False,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    return client.post("/v1/messages", json=proxies.message(model, stream=stream), headers=headers)


def test_tokens_take_turns(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, pool=POOL))
    with proxy.client() as client:
        for _ in range(6):
            assert post(client).status_code == 200
    used = [request.credential for request in sim.requests]
    assert used == [*proxies.POOL[:3], *proxies.POOL[:3]]
    assert all(request.header("x-api-key") is None for request in sim.requests)
    for request in sim.requests:
        assert request.listed("anthropic-beta").count("oauth-2025-04-20") == 1


def test_a_short_key_is_not_redacted_in_an_error(start: Start, sim: simulator.Simulator) -> None:
    sim.script(answers.failure(400, "messages: text content blocks must be non-empty"))
    proxy = start(proxies.profile(sim.url))
    with proxy.client(headers={"x-litellm-api-key": "e"}) as client:
        assert error(post(client))[2] == "messages: text content blocks must be non-empty"


def test_a_session_keeps_its_token_until_it_rests(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, pool=POOL))
    with proxy.client() as client:
        for session in ("a", "b", "a", "b", "a"):
            post(client, headers={"x-claude-code-session-id": session})
        used = [request.credential for request in sim.requests]
        assert used[0] == used[2] == used[4] != used[1] == used[3]
        sim.clear()
        sim.script(answers.failure(429, headers=limits.rejected("5h", now=time.time())))
        assert post(client, headers={"x-claude-code-session-id": "a"}).status_code == 200
        post(client, headers={"x-claude-code-session-id": "a"})
    rested, taken, kept = (request.credential for request in sim.requests)
    assert rested == used[0]
    assert taken == kept != rested


def test_a_pooled_api_key(start: Start, sim: simulator.Simulator) -> None:
    key = "sk-ant-api03-pool-0000000000-pkey"
    proxy = start(proxies.profile(sim.url, pool={"tokens": key}))
    with proxy.client() as client:
        oauth = {"authorization": "Bearer sk-ant-oat01-client-00-abcd"}
        post(client, headers={**oauth, "anthropic-beta": "oauth-2025-04-20,other-1"})
    (request,) = sim.requests
    assert request.header("x-api-key") == key
    assert request.header("authorization") is None
    assert request.listed("anthropic-beta") == ["other-1"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-claude-token-mode": "PassThrough"},
        {"x-litellm-api-key": "any, x-claude-token-mode: passthrough"},
    ],
)
def test_a_client_may_ask_for_its_own_credential(
    start: Start, sim: simulator.Simulator, headers: dict[str, str]
) -> None:
    proxy = start(proxies.profile(sim.url, pool=POOL))
    with proxy.client() as client:
        post(client, headers=headers)
    assert sim.requests[0].credential == proxies.API_KEY


def test_a_client_may_ask_for_the_pool(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, pool={**POOL, "mode": "passthrough"}))
    with proxy.client() as client:
        post(client)
        post(client, headers={"x-claude-token-mode": "rotate"})
    assert [request.credential for request in sim.requests] == [proxies.API_KEY, proxies.POOL[0]]


AGENT = {
    "x-claude-code-session-id": "11111111-2222-3333-4444-555555555555",
    "x-claude-code-agent-id": "agent-0123456789",
    "x-claude-code-parent-agent-id": "agent-9876543210",
    "x-client-request-id": "99999999-2222-3333-4444-555555555555",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


USER = {
    "x-claude-gateway-user-id": "00u1",
    "x-claude-gateway-user-email": "alice@example.com",
    "x-litellm-end-user-id": "alice@example.com",
}
"""What Anthropic's own gateway tells a proxy behind it."""


def test_every_header_that_upstreams_saw(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    """No credential of the client, no header of ours and no beta for others; no credential of
    the pool or a provider on any path but the two. None of them in a saved flow or the log."""
    saved = tmp_path / "saved.flows"
    proxy = start(
        proxies.profile(sim.url, pool=POOL),
        behind=sim.url,
        environ={"PROXY_STATIC_TOKEN": STATIC},
        arguments=["-w", str(saved), "--set", "flow_detail=4", "-v"],
    )
    sent = {
        "authorization": "Bearer sk-ant-oat01-client-00000000-clie",
        "cookie": "session=client-cookie",
        "x-litellm-api-key": STATIC,
        "x-claude-token-mode": "rotate",
        "anthropic-beta": "oauth-2025-04-20,context-management-2025-06-27",
        "user-agent": "claude-cli/2.1.330 (external, cli)",
        "x-app": "cli",
        **USER,
        **AGENT,
    }
    paths = ("/v1/messages", "/v1/messages/count_tokens", "/v1/files", "/api/oauth/profile")
    with proxy.client(headers=sent) as client:
        for model in ("claude-opus-5-5", "glm", "kimi"):
            for path in paths:
                client.post(path, json=proxies.message(model))
    secrets = {*proxies.POOL, "zai-key-0123456789", "kimi-key-98765432"}
    client_secrets = {proxies.API_KEY, "sk-ant-oat01-client-00000000-clie", "client-cookie"}
    for request in sim.requests:
        values = " ".join(value for _, value in request.headers)
        names = {name.lower() for name, _ in request.headers}
        assert not names & {"x-litellm-api-key", "x-claude-token-mode", *USER}, request.path
        assert STATIC not in values
        assert "user-agent" in names
        held = {secret for secret in secrets | client_secrets if secret in values}
        is_anthropics = not request.bare_path.startswith("/provider")
        assert AGENT.items() <= {(n.lower(), v) for n, v in request.headers} or not is_anthropics
        assert is_anthropics or not AGENT.keys() & names, request.path
        if request.bare_path.startswith("/provider/zai/v1/messages"):
            assert held == {"zai-key-0123456789"}
            assert "anthropic-beta" not in names
        elif request.bare_path.startswith("/provider/kimi/v1/messages"):
            assert held == {"kimi-key-98765432"}
            assert "anthropic-beta" not in names
        elif request.bare_path.startswith("/v1/messages"):
            assert held & secrets <= set(proxies.POOL)
            assert len(held & secrets) == 1
            assert not held & client_secrets - {"client-cookie"}
        else:
            assert held == client_secrets
            assert request.bare_path in paths[2:]
    seen = Counter(request.bare_path for request in sim.requests)
    assert seen["/v1/files"] == seen["/api/oauth/profile"] == 3
    assert seen["/provider/zai/v1/messages"] == seen["/provider/kimi/v1/messages"] == 1
    log = proxy.close()
    assert len(saved.read_bytes()) > 10_000
    for secret in {*secrets, *client_secrets, STATIC}:
        assert secret not in log
        assert secret.encode() not in saved.read_bytes()


# Clients


def test_the_static_token_is_asked_for_before_the_body_is_read(
    start: Start, sim: simulator.Simulator
) -> None:
    proxy = start(proxies.profile(sim.url), behind=sim.url, environ={"PROXY_STATIC_TOKEN": STATIC})
    with socket.create_connection(
        ("127.0.0.1", proxy.reverse_port), timeout=proxies.PATIENCE
    ) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        answer = b""
        while b"authentication_error" not in answer:
            answer += listening.more(raw)
        assert answer.startswith(b"HTTP/1.1 401")
    with proxy.client() as client:
        assert error(post(client))[:2] == (401, "authentication_error")
        assert error(post(client, headers={"x-litellm-api-key": "wrong"}))[0] == 401
        unknown_mode = {"x-litellm-api-key": "wrong, x-claude-token-mode: both"}
        assert error(post(client, headers=unknown_mode))[0] == 401
        assert client.get("/v1/models").status_code == 401
        assert client.get("/health").status_code == 200
        assert client.post("/v1/files").status_code == 401
        assert client.post("/health").status_code == 401
        assert not sim.requests
        assert post(client, headers={"x-litellm-api-key": STATIC}).status_code == 200
        assert post(client, headers={"x-litellm-api-key": f"Bearer {STATIC}"}).status_code == 200


def test_the_static_token_as_proxy_password(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": STATIC})
    url = "https://api.anthropic.com/v1/messages"
    version = {"anthropic-version": "2023-06-01"}
    with_password = f"http://anyone:{STATIC}@127.0.0.1:{proxy.proxy_port}"
    with proxy.tunnel_client(proxy=with_password) as client:
        headers = {"x-api-key": proxies.API_KEY, **version}
        answer = client.post(url, json=proxies.message(), headers=headers)
        assert answer.status_code == 200, answer.text
    with proxy.tunnel_client() as client:
        assert client.post(url, json=proxies.message()).status_code == 401
        headers = {"x-litellm-api-key": STATIC, "x-api-key": proxies.API_KEY, **version}
        assert client.post(url, json=proxies.message(), headers=headers).status_code == 200
    with httpx.Client(proxy=with_password, trust_env=False) as client:
        # Without TLS there is no tunnel: the password comes with the request.
        headers = {"x-api-key": proxies.API_KEY, **version}
        plain = url.replace("https", "http")
        assert client.post(plain, json=proxies.message(), headers=headers).status_code == 200
    wrong = f"http://anyone:wrong@127.0.0.1:{proxy.proxy_port}"
    with proxy.tunnel_client(proxy=wrong) as client, pytest.raises(httpx.ProxyError, match="407"):
        client.post(url, json=proxies.message())
    password = base64.b64encode(f"anyone:{STATIC}".encode()).decode()
    assert STATIC not in proxy.log
    assert password not in proxy.log


def test_other_hosts_are_tunnelled_unread(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url))
    with socket.create_connection(("127.0.0.1", proxy.proxy_port), timeout=proxies.PATIENCE) as raw:
        raw.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % sim.port)
        answer = raw.makefile("rb")
        assert answer.readline().split()[1] == b"200"
        assert answer.readline() == b"\r\n"
        body = json.dumps(proxies.message("claude-x")).encode()
        raw.sendall(
            b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: mine\r\n"
            b"anthropic-version: 2023-06-01\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert answer.readline().split()[1] == b"200"
    assert sim.requests[0].credential == "mine"
    assert sim.requests[0].model == "claude-x"


def test_an_unknown_model_on_an_intercepted_host_is_for_anthropic(
    start: Start, sim: simulator.Simulator
) -> None:
    proxy = start(proxies.profile(sim.url, pool=POOL))
    with proxy.tunnel_client() as client:
        client.post(
            "https://api.anthropic.com/v1/messages",
            json=proxies.message("unheard-of"),
            headers={"x-api-key": proxies.API_KEY},
        )
    assert sim.requests[0].model == "unheard-of"
    assert sim.requests[0].credential == proxies.API_KEY


# Start, reload, and hooks that fail


@pytest.mark.parametrize(
    ("profile", "arguments", "expected"),
    [
        ({"providers": {}}, {}, r"profile\.yaml: line 1: providers"),
        ({"modles": {}}, {}, r"profile\.yaml: line 1: modles"),
        ("a: [", {}, r"profile\.yaml: line 1"),
        (None, {"arguments": ["--set", "proxy_debug=true"]}, "proxy_debug"),
        (None, {"arguments": ["--set", "profile=another"]}, "multiple values for profile"),
        (None, {"arguments": ["--set", "keep_flows=many"]}, "many"),
        (None, {"arguments": ["--set", "keep_flows=-1"]}, "keep_flows: expected"),
        (None, {"modes": ["regular@0.0.0.0:0"]}, "PROXY_STATIC_TOKEN"),
        (None, {"profile_name": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_refused_at_start(
    start: Start, profile: Any, arguments: dict[str, Any], expected: str
) -> None:
    proxy = start(profile or proxies.profile("http://127.0.0.1:1"), wait=False, **arguments)
    assert proxy.process.wait(proxies.PATIENCE) == 1
    proxy.wait_for_log(expected)
    assert "Traceback" not in proxy.log
    assert "listening" not in proxy.log


def test_a_port_in_use_ends_the_start(start: Start) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 4000)))
        proxy = start(proxies.profile("http://127.0.0.1:1"), wait=False, modes=())
        assert proxy.process.wait(proxies.PATIENCE) == 1
    assert (
        "Another program listens on 127.0.0.1:4000. To use another port: --set reverse_port="
        in (proxy.log)
    )
    assert "Traceback" not in proxy.log
    assert "--mode regular@" not in proxy.log
    assert "ANTHROPIC_BASE_URL" not in proxy.log


def test_listeners_are_open_if_the_profile_says_so(start: Start) -> None:
    profile = proxies.profile("http://127.0.0.1:1", open=True)
    proxy = start(profile, wait=False, modes=[f"regular@0.0.0.0:{ports.free()}"])
    proxy.wait_for_log("listening at")
    assert proxy.process.poll() is None


def test_the_port_of_mitmweb_in_use_ends_the_start(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        arguments = ["--no-web-open-browser", "--set", f"web_port={port}"]
        proxy = start(
            proxies.profile("http://127.0.0.1:1"), wait=False, tool="mitmweb", arguments=arguments
        )
        assert proxy.process.wait(proxies.PATIENCE) == 1
    assert f"listens on 127.0.0.1:{port}. To use another port: --set web_port=" in proxy.log
    assert "Traceback" not in proxy.log


@pytest.mark.parametrize("forward", ["regular@{port}", "regular@127.0.0.1:{port}"])
def test_a_listener_of_the_users_whose_port_is_in_use(start: Start, forward: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        modes = [forward.format(port=port)]
        proxy = start(proxies.profile("http://127.0.0.1:1"), wait=False, modes=modes)
        assert proxy.process.wait(proxies.PATIENCE) == 1
    assert re.search(rf":{port}. To use another port: --mode regular@127.0.0.1:\d+\n", proxy.log)
    assert "Traceback" not in proxy.log


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "web_read_only=true",
            "--set web_read_only: there is no such option: did you mean web_readonly?",
        ),
        ("profle=x", "--set profle: there is no such option: did you mean profile?"),
        ("unheard=of", "--set unheard: there is no such option"),
    ],
)
def test_an_unknown_option_ends_the_start(start: Start, name: str, problem: str) -> None:
    profile = proxies.profile("http://127.0.0.1:1")
    proxy = start(profile, wait=False, arguments=["--set", name], modes=["regular@0"])
    assert proxy.process.wait(proxies.PATIENCE) == 1
    assert f"{problem}\n" in proxy.log
    assert "Traceback" not in proxy.log
    assert "listening" not in proxy.log


def test_an_option_of_a_later_script_is_known(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "later.py"
    script.write_text("def load(loader):\n    loader.add_option('mine', str, '', 'Mine.')\n")
    start(
        proxies.profile("http://127.0.0.1:1"),
        arguments=["--set", "mine=yes", "-s", str(script)],
    )


def test_nothing_listens_on_every_interface(start: Start, tmp_path: Path) -> None:
    """Not even before the script is loaded: mitmproxy would open its default listener there."""
    port, reverse = ports.free(), ports.free()
    proxy = start(
        proxies.profile("http://127.0.0.1:1"),
        wait=False,
        modes=(),
        arguments=["--listen-port", str(port), "--set", f"reverse_port={reverse}"],
    )
    proxy.wait_for_log("Reverse listener")
    assert f"listening at 127.0.0.1:{port}." in proxy.log
    assert f"listening at 127.0.0.1:{reverse}." in proxy.log
    assert "*:" not in proxy.log
    assert "stopped" not in proxy.log


@pytest.mark.parametrize(
    ("host", "url"),
    [("::1", "http://[::1]"), ("[::1]", "http://[::1]"), ("localhost", "http://localhost")],
)
def test_a_listener_at_another_address(
    start: Start, sim: simulator.Simulator, host: str, url: str
) -> None:
    port = ports.free()
    modes = [f"reverse:{proxies.NOWHERE}@{host}:{port}"]
    proxy = start(proxies.profile(sim.url), wait=False, modes=modes)
    proxy.wait_for_log(re.escape(f"ANTHROPIC_BASE_URL={url}:{port} claude"))
    assert httpx.get(f"{url}:{port}/health", trust_env=False).status_code == 200


def test_the_log_says_how_to_start_claude(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, pool=POOL))
    proxy.wait_for_log("Reverse listener")
    ca = proxy.confdir / "mitmproxy-ca-cert.pem"
    assert f"HTTPS_PROXY={proxy.proxy_url} NODE_EXTRA_CA_CERTS={ca} claude" in proxy.log
    assert f"ANTHROPIC_BASE_URL={proxy.url} claude" in proxy.log
    assert "3 tokens" in proxy.log
    assert "Profile profile" in proxy.log
    assert not [token for token in proxies.POOL if token in proxy.log]


def test_a_changed_profile_is_taken_up(start: Start, sim: simulator.Simulator) -> None:
    profile = proxies.profile(sim.url)
    proxy = start(profile)
    with proxy.client() as client:
        assert post(client, "new").status_code == 404
        proxy.write_profile({**profile, "models": {"new": "kimi/new-1"}})
        proxies.wait_until(lambda: post(client, "new").status_code == 200)
        proxy.write_profile({**profile, "models": {"new": "nobody/new-1"}})
        proxy.wait_for_log(r"models\.new: expected")
        assert post(client, "new").status_code == 200
        (proxy.folder / ".env").write_text("PROXY_STATIC_TOKEN=from-env-file\n")
        proxy.write_profile(profile)
        proxies.wait_until(lambda: post(client, "glm").status_code == 401)
    assert proxy.process.poll() is None


def test_flows_from_a_file_stay_as_they_were(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    saved, again = tmp_path / "saved.flows", tmp_path / "again.flows"
    proxy = start(proxies.profile(sim.url), arguments=["-w", str(saved)])
    with proxy.client() as client:
        post(client, "glm")
    proxy.close()
    arguments = ["-n", "-r", str(saved), "-w", str(again)]
    reading = start(
        proxies.profile(sim.url),
        wait=False,
        arguments=arguments,
        environ={"PROXY_STATIC_TOKEN": STATIC},
    )
    assert reading.process.wait(proxies.PATIENCE) == 0, reading.log
    assert read_flows(again) == read_flows(saved)


def read_flows(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        return [flow.get_state() for flow in mitmproxy_io.FlowReader(file).stream()]


def test_a_script_that_cannot_be_loaded_again_lets_nothing_through(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    script = tmp_path / "again.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(proxies.ADDONS.parent)!r})\nimport route\naddons = route.addons\n"
    )
    proxy = start(proxies.profile(sim.url), behind=sim.url, script=script)
    with proxy.client() as client:
        assert post(client).status_code == 200
        script.write_text("this is no Python\n")
        proxy.wait_for_log("error in script")
        assert error(post(client))[:2] == (500, "api_error")
        assert error(client.post("/v1/files"))[0] == 500
    assert len(sim.requests) == 1


BREAKING = """
import importlib
def broken(*args, **kwargs):
    raise RuntimeError("broken on purpose")
importlib.import_module("claude_route.{module}").{name} = broken
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("access.clients", "presented"),
        ("access.credentials", "hide"),
        ("access.listeners", "is_reverse"),
        ("dialects.messages.requests", "read"),
        ("dialects.messages.scrub", "headers"),
        ("routing.plan", "Plan"),
        ("proxy.reply", "judge"),
        ("routing.verdict", "judge"),
    ],
)
def test_what_raises_fails_closed(
    start: Start, sim: simulator.Simulator, tmp_path: Path, module: str, name: str
) -> None:
    script = tmp_path / "breaking.py"
    script.write_text(BREAKING.format(module=module, name=name))
    sim.script(answers.failure(500))
    proxy = start(
        proxies.profile(sim.url, pool=POOL),
        behind=sim.url,
        arguments=["-s", str(script)],
        wait=False,
    )
    proxy.wait_for_log("reverse proxy to")
    with proxy.client() as client:
        assert error(post(client))[:2] == (500, "api_error")
    assert not [r for r in sim.requests if r.credential not in proxies.POOL]
    assert "broken on purpose" in proxy.log
