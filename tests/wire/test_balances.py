"""What clients have used before the proxy started, from its ledger; and what each of them sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import command
from tests.wire import proxies
from tests.wire import test_clients as clients

Start = Callable[..., proxies.Proxy]

LIMITS = {
    "budget": ({"budget": {"month": 1}}, "the month's budget of $1.00 ($1.00 used)"),
    "tokens": ({"tokens_per_day": 40}, "the day's 40 tokens (40 used)"),
}


def profile(url: str, ledger: str, **entries: Any) -> dict[str, Any]:
    return clients.profile(url, entries, prices=clients.PRICES, ledger=ledger)


def refused(client: httpx.Client) -> str:
    answer = clients.ask(client)
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "billing_error"
    words: str = answer.json()["error"]["message"]
    return words


@pytest.mark.parametrize("limit", LIMITS)
def test_a_restart_forgets_nothing(
    start: Start, sim: simulator.Simulator, database: str, limit: str
) -> None:
    sim.default(answers.Answer(usage=clients.USED))
    rights, words = LIMITS[limit]
    text = profile(sim.url, database, alice=rights, bob=rights)
    first = start(text)
    with clients.client_of(first) as alice:
        assert [clients.ask(alice).status_code for _ in range(2)] == [200, 200]
        assert words in refused(alice)
    first.close()
    second = start(text)
    with clients.client_of(second) as alice, clients.client_of(second, clients.BOB) as bob:
        assert words in refused(alice)
        assert clients.ask(bob).status_code == 200
    second.wait_for_log("used up")
    os.kill(second.process.pid, signal.SIGTERM)
    third = start(text)
    with clients.client_of(third, clients.BOB) as bob:
        assert clients.ask(bob).status_code == 200
        assert words in refused(bob)
    assert len(sim.requests) == 4


def test_a_restart_forgets_no_prompt_that_its_client_has_left(
    start: Start, sim: simulator.Simulator, database: str
) -> None:
    sim.when(lambda recorded: recorded.model == "glm-5", answers.Answer(before_head="silence"))
    free = {"input": 0, "output": 0}
    prices = {"zai/glm-5": {"input": 1_000_000, "output": 0}, "kimi/*": free}  # a dollar a token
    text = clients.profile(
        sim.url, {"alice": {"budget": {"day": 1000}}}, prices=prices, ledger=database
    )
    first = start(text)
    with clients.client_of(first) as alice:
        assert clients.ask(alice, "kimi").status_code == 200, "nothing waits for the ledger now"
        with pytest.raises(httpx.ReadTimeout):
            alice.post("/v1/messages", json=proxies.message("glm"), timeout=1)
        proxies.wait_until(lambda: usage(alice)["requests"] == 2)
        before = spent(alice)
    first.close()
    assert 1 < before < 1000
    second = start(text)
    with clients.client_of(second) as alice:
        proxies.wait_until(lambda: spent(alice) == before)
        assert usage(alice)["cost"] == before


def spent(client: httpx.Client) -> float:
    (limit,) = client.get("/usage").json()["limits"]
    return float(limit["used"])


def usage(client: httpx.Client) -> dict[str, Any]:
    total: dict[str, Any] = client.get("/usage").json()["total"]
    return total


def test_a_reload_that_adds_a_client(start: Start, sim: simulator.Simulator, database: str) -> None:
    sim.default(answers.Answer(usage=clients.USED))
    rights = {"budget": {"day": 1}}
    first = start(profile(sim.url, database, alice=rights))
    with clients.client_of(first) as alice:
        assert [clients.ask(alice).status_code for _ in range(2)] == [200, 200]
    first.close()
    second = start(profile(sim.url, database, bob={}))
    with clients.client_of(second) as alice:
        assert clients.ask(alice).status_code == 401
        second.write_profile(profile(sim.url, database, alice=rights, bob={}))
        proxies.wait_until(lambda: clients.ask(alice).status_code != 401)
        assert "the day's budget of $1.00 ($1.00 used)" in refused(alice)
        # What it uses from now on counts, once.
        second.write_profile(profile(sim.url, database, alice={"budget": {"day": 2}}, bob={}))
        proxies.wait_until(lambda: clients.ask(alice).status_code == 200)
        assert clients.ask(alice).status_code == 200
        assert "the day's budget of $2.00 ($2.00 used)" in refused(alice)


@pytest.mark.parametrize(
    ("ledger", "log"),
    [
        ("off", "Without a ledger, budgets begin again whenever the proxy starts"),
        ("sqlite:////proc/none/ledger.db", "budgets leave out what was used before"),
        ("postgresql://me@127.0.0.1:9/ledger", "budgets leave out what was used before"),
    ],
)
def test_without_it_requests_go_on(
    start: Start, sim: simulator.Simulator, ledger: str, log: str
) -> None:
    sim.default(answers.Answer(usage=clients.USED))
    proxy = start(profile(sim.url, ledger, alice={"budget": {"day": 1}}))
    began = time.monotonic()
    with clients.client_of(proxy) as alice:
        assert [clients.ask(alice).status_code for _ in range(3)] == [200, 200, 429]
    assert time.monotonic() - began < 30
    text = proxy.close()
    assert text.count(log) == 1
    assert "Traceback" not in text


def keyed(proxy: proxies.Proxy, key: str) -> httpx.Client:
    return httpx.Client(base_url=proxy.url, headers={"x-litellm-api-key": key}, trust_env=False)


@pytest.fixture
def team(start: Start, sim: simulator.Simulator) -> proxies.Proxy:
    """A proxy that alice, who may ask for one model, and bob, an admin, have asked."""
    sim.default(answers.Answer(usage=clients.USED))
    entries = {"alice": {"models": ["glm"]}, "bob": {"admin": True}}
    proxy = start(
        clients.profile(sim.url, entries, prices=clients.PRICES),
        environ={"PROXY_STATIC_TOKEN": clients.STATIC},
    )
    for key, model in (
        (clients.ALICE, "glm"),
        (clients.BOB, "glm"),
        (clients.BOB, "claude-opus-5-5"),
        (clients.STATIC, "kimi"),
    ):
        with clients.client_of(proxy, key) as client:
            assert clients.ask(client, model).status_code == 200
    return proxy


HTML = {"accept": "text/html"}


def test_who_sees_whose_usage(team: proxies.Proxy) -> None:
    by = {"by": "client,model"}
    everything = [
        ("alice", "glm"),
        ("bob", "claude-opus-5-5"),
        ("bob", "glm"),
        ("shared", "kimi"),
    ]
    for key, expected in (
        (clients.ALICE, everything[:1]),
        (clients.BOB, everything),
        (clients.STATIC, everything),
    ):
        with keyed(team, key) as client:
            report = client.get("/usage", params=by).json()
            rows = sorted((row["client"], row["model"]) for row in report["rows"])
            assert rows == expected
            assert report["total"]["requests"] == len(expected)
            table = client.get("/usage", params={**by, "format": "csv"}).text
            assert table.count("\r\n") == 1 + len(expected)
            page = client.get("/usage?by=client", headers=HTML).text
            assert ("bob" in page) is (len(expected) > 1)
            sees_metrics = client.get("/metrics")
            assert sees_metrics.status_code == (200 if len(expected) > 1 else 403)
            assert ("claude_route_requests" in sees_metrics.text) is (len(expected) > 1)
    # Nor does asking for others help.
    with keyed(team, clients.ALICE) as alice:
        for query in ("by=client", "by=session,target&since=30d"):
            assert alice.get(f"/usage?{query}").json()["total"]["requests"] == 1
        for query in ("client=bob", "by=client&client="):
            refused = alice.get(f"/usage?{query}")
            assert refused.status_code == 400
            assert refused.json()["error"]["message"].endswith("until, format, got 'client'")
    with keyed(team, "cr-nobody-0123456789") as stranger:
        for path in ("/usage", "/metrics", "/status", "/usage?format=csv"):
            assert stranger.get(path).status_code == 401


def test_who_sees_whose_requests(team: proxies.Proxy) -> None:
    """On `/status`; of targets, which clients share, those of their models."""
    everything = ["anthropic/claude-opus-5-5", "kimi/kimi-for-coding", "zai/glm-5"]
    asked = [("glm", 2), ("claude-opus-5-5", 1), ("kimi", 1)]
    for key, name, targets, models in (
        (clients.ALICE, "alice", ["zai/glm-5"], [("glm", 1)]),
        (clients.BOB, None, everything, asked),
        (clients.STATIC, None, everything, asked),
    ):
        with keyed(team, key) as client:
            shown = client.get("/status").json()
            assert [row["name"] for row in shown["targets"]] == targets
            assert [(row["name"], row["requests"]) for row in shown["models"]] == models
            assert shown["client"] == name
            page = client.get("/status", headers=HTML).text
            assert ("zai/glm-5" in page, "kimi" in page) == (True, name is None)
            assert ("Of <b>alice</b>" in page) is (name == "alice")


def test_the_command_asks_the_proxy(team: proxies.Proxy, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    cli = command.in_clone(folder)

    def usage(key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return cli.run(
            *("usage", "--url", team.url, "--by", "client", *arguments),
            PROXY_STATIC_TOKEN=key,
        )

    everyone = usage(clients.STATIC)
    assert everyone.returncode == 0, everyone.stderr
    assert "by client (UTC)" in everyone.stdout
    for row in ("alice", "bob", "shared", "total"):
        assert row in everyone.stdout
    own = usage(clients.ALICE)
    assert "alice" in own.stdout and "bob" not in own.stdout
    assert "$0.50 " in own.stdout
    report = json.loads(usage(clients.STATIC, "--json").stdout)
    assert report["total"]["requests"] == 4
    assert usage(clients.ALICE, "--csv").stdout.startswith("client,requests,errors")
    strange = usage("cr-nobody-0123456789")
    assert strange.returncode == 1
    assert "requires another PROXY_STATIC_TOKEN" in strange.stderr
