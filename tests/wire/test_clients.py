"""Named clients over the wire: their keys, the models that they may ask for, and their limits."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import datetime
import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import ports
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

ALICE, BOB, STATIC = "cr-alice-0123456789", "cr-bob-0123456789", "static-0123456789-tokn"
API = "https://api.anthropic.com"
OWN = "sk-ant-api03-client-0000000000-cLnt"
TODAY = datetime.datetime.now(datetime.UTC).date()
YESTERDAY = str(TODAY - datetime.timedelta(days=1))
TOKEN = proxies.POOL[0]

PLACES: dict[str, dict[str, str]] = {
    "header": {"x-litellm-api-key": "{}"},
    "header with Bearer": {"x-litellm-api-key": "Bearer {}"},
    "one line": {"x-litellm-api-key": "{}, x-claude-token-mode: rotate"},
    "bearer": {"authorization": "Bearer {}"},
    "x-api-key": {"x-api-key": "{}"},
    "helper": {"authorization": "Bearer {}", "x-api-key": "{}"},
    "after a wrong one": {"x-litellm-api-key": "cr-wrong", "x-api-key": "{}"},
}


def sha256(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def profile(url: str, clients: dict[str, Any], **changes: Any) -> dict[str, Any]:
    entries = {
        name: {"key": sha256({"alice": ALICE, "bob": BOB}[name]), **rights}
        for name, rights in clients.items()
    }
    return proxies.profile(url, pool={"tokens": TOKEN}, clients=entries, **changes)


def client_of(proxy: proxies.Proxy, key: str = ALICE) -> httpx.Client:
    headers = {"x-litellm-api-key": key, "anthropic-version": "2023-06-01"}
    return httpx.Client(
        base_url=proxy.url,
        headers=headers,
        trust_env=False,
        timeout=proxies.PATIENCE,
        limits=proxies.EVERY_CONNECTION,
    )


def ask(client: httpx.Client, model: str = "glm", **fields: Any) -> httpx.Response:
    return client.post("/v1/messages", json=proxies.message(model, **fields))


def test_each_place_on_each_listener(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.flows"
    with simulator.Simulator(tls=True) as anthropic:
        proxy = start(
            profile(sim.url, {"alice": {}, "bob": {"expires": YESTERDAY}}),
            behind=sim.url,
            environ={"PROXY_STATIC_TOKEN": STATIC},
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
                for way, place in PLACES.items():
                    for key, status in ((ALICE, 200), (STATIC, 200), (BOB, 401), ("cr-x", 401)):
                        headers = {name: value.format(key) for name, value in place.items()}
                        answer = client.post(
                            "/v1/messages",
                            json=proxies.message("claude-opus-5-5"),
                            headers={**headers, **version},
                        )
                        assert answer.status_code == status, f"{way} at {client.base_url}"
                        if key == BOB:
                            assert answer.json()["error"]["type"] == "authentication_error"
                            assert f"expired on {YESTERDAY}" in answer.json()["error"]["message"]
                        client.post(f"/v1/files?key={key}", headers={**headers, **version})
                assert ask(client).status_code == 401
            assert reverse.get("/health").status_code == 200
            assert reverse.get("/status").status_code == 401
            assert reverse.get("/status", headers={"x-api-key": ALICE}).status_code == 200
            browser = {"accept": "text/html"}
            assert reverse.get("/status", auth=("any", ALICE), headers=browser).status_code == 200
            assert reverse.get("/status", auth=("any", BOB), headers=browser).status_code == 401
        for password, status in ((ALICE, 200), (BOB, 0), ("cr-x", 0)):
            url = proxy.proxy_url.replace("//", f"//me:{password}@")
            with proxy.tunnel_client(base_url=API, proxy=url) as tunnelled:
                if status:
                    assert ask(tunnelled).status_code == status
                else:
                    with pytest.raises(httpx.ProxyError, match="407"):
                        ask(tunnelled)
        received = [*sim.requests, *anthropic.requests]
    log = proxy.close()
    asked = [request for request in received if request.bare_path == "/v1/messages"]
    assert {request.credential for request in asked} == {TOKEN}
    for secret in (ALICE, BOB, base64.b64encode(f"any:{ALICE}".encode()).decode()):
        assert secret not in str([(request.path, request.headers) for request in received])
        assert secret not in log
        assert secret.encode() not in saved.read_bytes()


def test_a_client_that_is_taken_out(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(profile(sim.url, {"alice": {}, "bob": {}}))
    url = proxy.proxy_url.replace("//", f"//me:{ALICE}@")
    with (
        client_of(proxy) as alice,
        client_of(proxy, BOB) as bob,
        proxy.tunnel_client(base_url=API, proxy=url) as tunnelled,
    ):
        everyone = (alice, bob, tunnelled)
        assert [ask(client).status_code for client in everyone] == [200, 200, 200]
        proxy.write_profile(profile(sim.url, {"bob": {}}))
        proxies.wait_until(lambda: ask(alice).status_code == 401)
        assert [ask(client).status_code for client in everyone] == [401, 200, 401]
        # Nobody is left: that opens the proxy to no one.
        proxy.write_profile(proxies.profile(sim.url))
        proxies.wait_until(lambda: ask(bob).status_code == 401)
        with httpx.Client(base_url=proxy.url, trust_env=False) as anyone:
            assert ask(anyone).status_code == 401
        assert "nobody has a valid key" in proxy.log


def test_other_machines_need_a_client(start: Start, sim: simulator.Simulator) -> None:
    def listening(clients: dict[str, Any]) -> proxies.Proxy:
        proxy: proxies.Proxy = start(
            profile(sim.url, clients),
            modes=[f"reverse:http://127.0.0.1:9@0.0.0.0:{ports.free()}"],
            wait=False,
        )
        return proxy

    refused = listening({})
    assert refused.process.wait(proxies.PATIENCE) == 1
    assert "clients" in refused.log
    proxy = listening({"alice": {}})
    proxy.wait_for_log("Reverse listener")
    assert proxy.process.poll() is None


def test_models(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(
        profile(
            sim.url,
            {"alice": {"models": ["glm", "claude-haiku-*"]}, "bob": {}},
            fallbacks={"glm": ["kimi", "claude-haiku-5-5"]},
        )
    )
    sim.when(lambda recorded: "zai" in recorded.path, answers.Answer(status=529))
    url = proxy.proxy_url.replace("//", f"//me:{ALICE}@")
    own = {"x-api-key": OWN}
    with (
        client_of(proxy) as alice,
        client_of(proxy, BOB) as bob,
        proxy.tunnel_client(base_url=API, proxy=url) as tunnelled,
    ):
        for client in (alice, tunnelled):
            for model in ("kimi", "claude-opus-5-5", "nothing"):
                answer = client.post("/v1/messages", json=proxies.message(model), headers=own)
                assert answer.status_code == 404
                assert answer.json()["error"] == {
                    "type": "not_found_error",
                    "message": f"model: {model!r} is not in this proxy's profile, which has: glm, "
                    "claude-haiku-*",
                }
            count = client.post("/v1/messages/count_tokens", json=proxies.message("kimi"))
            assert count.status_code == 404
        assert not sim.requests
        assert ask(alice).headers["x-route-target"] == "anthropic/claude-haiku-5-5"
        assert ask(bob).headers["x-route-target"] == "kimi/kimi-for-coding"

        def listed(client: httpx.Client) -> list[str]:
            return [model["id"] for model in client.get("/v1/models").json()["data"]]

        assert listed(alice) == ["glm", "claude-haiku-5-5", "claude-route/glm"]
        assert {"kimi", "claude-opus-5-5", "claude-route/kimi"} < {*listed(bob)}
        assert alice.get("/v1/models/glm").status_code == 200
        assert alice.get("/v1/models/kimi").status_code == 404
        assert bob.get("/v1/models/kimi").status_code == 200


@pytest.mark.parametrize(
    ("own", "header", "expected"),
    [
        (None, None, TOKEN),
        (None, "passthrough", OWN),
        ("rotate", None, TOKEN),
        ("rotate", "passthrough", OWN),
        ("passthrough", None, OWN),
        ("passthrough", "rotate", OWN),
    ],
)
def test_token_mode(
    start: Start, sim: simulator.Simulator, own: str | None, header: str | None, expected: str
) -> None:
    proxy = start(profile(sim.url, {"alice": {"token_mode": own} if own else {}}))
    headers = {"x-api-key": OWN, **({"x-claude-token-mode": header} if header else {})}
    with client_of(proxy) as alice:
        body = proxies.message("claude-opus-5-5")
        assert alice.post("/v1/messages", json=body, headers=headers).status_code == 200
    assert [request.credential for request in sim.requests] == [expected]


def test_rate(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(profile(sim.url, {"alice": {"requests_per_minute": 3}, "bob": {}}))
    with client_of(proxy) as alice, client_of(proxy, BOB) as bob:
        assert [ask(alice).status_code for _ in range(3)] == [200] * 3
        refused = ask(alice)
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        count = alice.post("/v1/messages/count_tokens", json=proxies.message("glm"))
        assert count.status_code == 200
        assert ask(bob).status_code == 200
    assert len(sim.requests) == 4


USED = {"input_tokens": 10, "output_tokens": 10}
PRICES = {"zai/glm-5": {"input": 10_000, "output": 40_000}, "kimi/*": {"input": 0, "output": 0}}
"""An answer costs half a dollar."""


def test_budget(start: Start, sim: simulator.Simulator) -> None:
    sim.default(answers.Answer(usage=USED))
    rights = {"budget": {"day": 2, "month": 100}}
    proxy = start(profile(sim.url, {"alice": rights, "bob": {}}, prices=PRICES))
    shown = []
    with client_of(proxy) as alice, client_of(proxy, BOB) as bob:
        for _ in range(4):
            answer = ask(alice)
            assert answer.status_code == 200
            unified = "anthropic-ratelimit-unified-"
            assert answer.headers[f"{unified}representative-claim"] == "overage"
            shown.append(
                (
                    answer.headers[f"{unified}status"],
                    answer.headers[f"{unified}overage-utilization"],
                    answer.headers.get(f"{unified}overage-surpassed-threshold"),
                )
            )
        refused = ask(alice, stream=True)
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert error["type"] == "billing_error"
        assert "spend limit reached · resets " in error["message"]
        assert "alice has used up the day's budget of $2.00 ($2.00 used)" in error["message"]
        assert refused.headers["x-should-retry"] == "false"
        midnight = datetime.datetime.combine(
            datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1),
            datetime.time(),
            datetime.UTC,
        ).timestamp()
        assert abs(int(refused.headers["retry-after"]) - (midnight - time.time())) < 5
        assert int(refused.headers["anthropic-ratelimit-unified-reset"]) == midnight
        count = alice.post("/v1/messages/count_tokens", json=proxies.message("glm"))
        assert count.status_code == 200
        assert ask(bob).status_code == 200
    assert shown == [
        ("allowed", "0", None),
        ("allowed", "0.25", None),
        ("allowed", "0.5", None),
        ("allowed", "0.75", None),
    ]
    log = proxy.close()
    assert "429" in log
    assert "used up the day's budget" in log


def test_on_budget(start: Start, sim: simulator.Simulator) -> None:
    sim.default(answers.Answer(usage=USED))
    rights = {"models": ["glm"], "budget": {"week": 0.4}, "on_budget": "kimi"}
    proxy = start(profile(sim.url, {"alice": rights}, prices=PRICES))
    with client_of(proxy) as alice:
        first = ask(alice)
        assert "x-route-on-budget" not in first.headers
        for stream in (False, True):
            answer = ask(alice, stream=stream)
            assert answer.status_code == 200
            assert answer.headers["x-route-target"] == "kimi/kimi-for-coding"
            assert answer.headers["x-route-on-budget"] == "kimi"
            assert answer.headers["anthropic-ratelimit-unified-status"] == "allowed_warning"
        assert ask(alice, "kimi").status_code == 404
    log = proxy.close()
    assert "passed over: alice has used up the week's budget of $0.40" in log
    assert re.search(r"^.*\balice: glm → .*passed over", log, re.MULTILINE)


def test_tokens_per_day(start: Start, sim: simulator.Simulator) -> None:
    sim.default(answers.Answer(usage=USED))
    proxy = start(profile(sim.url, {"alice": {"tokens_per_day": 30}}))
    with client_of(proxy) as alice:
        statuses = [ask(alice, max_tokens=5).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        error = ask(alice).json()["error"]
        assert error["type"] == "billing_error"
        assert "the day's 30 tokens (40 used)" in error["message"]


def test_requests_at_once(start: Start, sim: simulator.Simulator) -> None:
    """200 of one client overrun its budget by one at most, and none is refused while something is left."""
    sim.default(answers.Answer(usage=USED, head_delay=0.02))
    proxy = start(profile(sim.url, {"alice": {"budget": {"day": 7.9}}}, prices=PRICES))
    with client_of(proxy) as alice, concurrent.futures.ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda n: ask(alice, max_tokens=20, stream=bool(n % 2)), range(200)))
    statuses = [answer.status_code for answer in made]
    assert statuses.count(200) == len(sim.requests) == 16
    refused = [answer for answer in made if answer.status_code != 200]
    assert {answer.json()["error"]["type"] for answer in refused} == {"billing_error"}


def test_a_stream_that_the_client_leaves(start: Start, sim: simulator.Simulator) -> None:
    text = answers.Text("word " * 400)
    sim.default(answers.Answer(content=(text,), event_delay=0.02, usage={"input_tokens": 10}))
    prices = {"zai/glm-5": {"input": 0, "output": 10_000}}  # a cent a token
    proxy = start(profile(sim.url, {"alice": {"budget": {"day": 1}}}, prices=prices))
    with client_of(proxy) as alice:
        body = proxies.message("glm", stream=True)
        deltas = 0
        with alice.stream("POST", "/v1/messages", json=body) as stream:
            for piece in stream.iter_bytes():
                deltas += piece.count(b"text_delta")
                if deltas >= 40:  # of 12 characters: 120 tokens, or $1.20
                    break
        sim.wait_idle()
        error = ask(alice).json()["error"]
    assert error["type"] == "billing_error"
    used = re.search(r"\(\$([\d.]+) used\)", error["message"])
    assert used
    assert 1.1 < float(used[1]) < 2


def test_checks_of_tool_calls_count(start: Start, sim: simulator.Simulator) -> None:
    """The proxy asks another model about the calls of an answer: for this client, which pays for it."""
    sim.when(lambda recorded: recorded.model == "glm-5", answers.tool("Bash", {"command": "ls"}))
    sim.when(
        lambda recorded: recorded.model == "claude-haiku-5-5",
        dataclasses.replace(answers.text("<block>no"), usage=USED),
    )
    prices = {"zai/*": {"input": 0, "output": 0}, "anthropic/*": {"input": 0, "output": 100_000}}
    rights = {"models": ["glm"], "requests_per_minute": 1, "budget": {"day": 1}}
    proxy = start(profile(sim.url, {"alice": rights}, prices=prices))
    context = {"v": 1, "home_dir": "/home/me", "rules": {"deny": []}}
    body = proxies.message(
        "glm",
        tools=[{"name": "Bash", "description": "", "input_schema": {"type": "object"}}],
        safeguards=[{"type": "dangerous_tool_use", "classifier_context": context}],
    )
    beta = {"anthropic-beta": "dangerous-tool-use-2026-09-03"}
    with client_of(proxy) as alice:
        answer = alice.post("/v1/messages", json=body, headers=beta)
        (results,) = answer.json()["safeguard_results"]
        (verdict,) = results["status"]["tool_uses"].values()
        assert verdict == {"type": "evaluated", "outcome": "not_flagged"}
        error = ask(alice).json()["error"]
        assert error["type"] == "billing_error"


def test_a_model_that_is_named_twice(start: Start, sim: simulator.Simulator) -> None:
    """What we read as the model, a provider may not."""
    proxy = start(profile(sim.url, {"alice": {"models": ["claude-mine"]}}, models=MINE_AND_THEIRS))
    rest = '"max_tokens":9,"messages":[{"role":"user","content":"hello"}]'
    with client_of(proxy) as alice:
        for key in ("model", "mod\\u0065l"):
            body = f'{{"{key}":"claude-theirs",{rest},"model":"claude-mine"}}'
            answer = alice.post("/v1/messages", content=body.encode())
            assert answer.status_code == 400
            assert answer.json()["error"]["type"] == "invalid_request_error"
        assert ask(alice, "claude-mine").status_code == 200
    assert len(sim.requests) == 1


MINE_AND_THEIRS = {
    "claude-mine": "anthropic/claude-mine",
    "claude-theirs": "anthropic/claude-theirs",
}


def test_a_client_with_many_addresses_is_one(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(profile(sim.url, {"alice": {}, "bob": {}}, fallbacks={"kimi": ["glm"]}))
    sim.script(*[answers.failure(500), answers.Answer()] * 3)
    for number in (2, 3, 4):
        with httpx.Client(
            base_url=proxy.url,
            headers={"x-litellm-api-key": ALICE},
            transport=httpx.HTTPTransport(local_address=f"127.0.0.{number}"),
            timeout=proxies.PATIENCE,
        ) as alice:
            assert ask(alice, "kimi").headers["x-route-target"] == "zai/glm-5"
    with client_of(proxy, ALICE) as alice, client_of(proxy, BOB) as bob:
        assert ask(alice, "kimi").headers["x-route-target"] == "zai/glm-5"
        assert ask(bob, "kimi").headers["x-route-target"] == "kimi/kimi-for-coding"
