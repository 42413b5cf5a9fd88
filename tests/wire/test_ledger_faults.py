"""What the ledger does to requests when it can't be written: nothing. And who may see what is in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import stat
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

import simulator
from simulator import answers
from tests.wire import mitmweb
from tests.wire import postgres
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

KEY = "static-key-0123456789"


def ask(client: httpx.Client, text: str = "hello", **fields: Any) -> httpx.Response:
    return client.post(
        "/v1/messages", json=proxies.message(**{"model": "glm", "text": text, **fields})
    )


def total(proxy: proxies.Proxy, **parameters: str) -> Any:
    answer = proxy.client().get("/usage", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


def rows(file: Path) -> list[tuple[Any, ...]]:
    """Of a ledger that may not have begun yet."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        if not connection.execute("SELECT * FROM sqlite_master WHERE name = 'requests'").fetchone():
            return []
        return connection.execute("SELECT client, status, error FROM requests").fetchall()


def test_the_default_is_a_file_of_the_users(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url))
    assert ask(proxy.client()).status_code == 200
    proxy.close()
    file = proxy.folder / ".local" / "state" / "claude-route" / "ledger.db"
    assert rows(file) == [("", 200, "")], "what is left at the end is written"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert f"Ledger: {file}, for 400 days" in proxy.log


def test_the_folder_follows_the_environment(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    proxy = start(proxies.profile(sim.url), environ={"XDG_STATE_HOME": str(tmp_path / "state")})
    ask(proxy.client())
    proxy.close()
    assert len(rows(tmp_path / "state" / "claude-route" / "ledger.db")) == 1


def test_off(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url, ledger="off"))
    client = proxy.client()
    assert ask(client).status_code == 200
    assert client.get("/usage").status_code == 404
    assert client.get("/metrics").status_code == 200
    assert "Ledger: off" in proxy.close()
    assert not (proxy.folder / ".local").exists()


def test_a_changed_profile_moves_it(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    proxy = start(proxies.profile(sim.url, ledger=f"sqlite:///{first}"))
    ask(proxy.client())
    proxy.write_profile(proxies.profile(sim.url, ledger=f"sqlite:///{second}"))
    proxy.wait_for_log("Reloaded profile")
    ask(proxy.client())
    proxies.wait_until(lambda: first.exists() and len(rows(first)) == 1)
    assert total(proxy)["requests"] == 1
    proxy.close()
    assert len(rows(second)) == 1


@pytest.mark.parametrize(
    "url",
    ["sqlite:////dev/full", "sqlite:////proc/ledger.db", "postgresql://u:secret-0@127.0.0.1:9/x"],
)
def test_a_database_that_cant_be_written(start: Start, sim: simulator.Simulator, url: str) -> None:
    proxy = start(proxies.profile(sim.url, ledger=url))
    client = proxy.client()
    for _ in range(5):
        assert ask(client).status_code == 200
        time.sleep(0.5)
    assert client.get("/usage").status_code == 503
    assert ask(client).status_code == 200
    log = proxy.close()
    assert log.count("can't be written") == 1, log
    assert "6 requests could not be written, and are lost" in log
    assert "secret-0" not in log
    assert "Traceback" not in log


def test_a_full_disk(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    """A limit on the size of files is as full: what was written stays whole, and what waits is written once
    there is room."""
    file = tmp_path / "ledger.db"
    script = tmp_path / "limit.py"
    script.write_text(
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))\n"
        "signal.signal(signal.SIGUSR1, lambda *_: limit(60_000))\n"
        "signal.signal(signal.SIGUSR2, lambda *_: limit(resource.RLIM_INFINITY))\n"
    )
    proxy = start(
        proxies.profile(sim.url, ledger=f"sqlite:///{file}"), arguments=["-s", str(script)]
    )
    client = proxy.client()
    ask(client)
    assert total(proxy)["requests"] == 1
    os.kill(proxy.process.pid, signal.SIGUSR1)
    asked = 1
    while "can't be written" not in proxy.log:
        assert ask(client, session="x" * 100).status_code == 200
        asked += 1
        assert asked < 3000
    assert len(rows(file)) < asked
    os.kill(proxy.process.pid, signal.SIGUSR2)
    proxy.wait_for_log("is written again")
    assert total(proxy)["requests"] == asked
    proxy.close()
    assert len(rows(file)) == asked


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    running = postgres.Postgres()
    yield running
    running.close()


@postgres.needs_postgres
def test_a_server_that_goes_and_comes_back(
    start: Start, sim: simulator.Simulator, server: postgres.Postgres
) -> None:
    proxy = start(proxies.profile(sim.url, ledger=server.url))
    client = proxy.client()
    ask(client)
    assert total(proxy)["requests"] == 1
    server.stop()
    for _ in range(4):
        started = time.monotonic()
        assert ask(client).status_code == 200
        assert time.monotonic() - started < 15
        time.sleep(0.6)
    proxy.wait_for_log("can't be written")
    server.start()
    proxy.wait_for_log("is written again")
    assert total(proxy)["requests"] == 5
    proxy.close()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (5,)


@postgres.needs_postgres
def test_two_instances_begin_one_ledger(
    start: Start, sim: simulator.Simulator, server: postgres.Postgres
) -> None:
    both = [start(proxies.profile(sim.url, ledger=server.url), wait=False) for _ in range(2)]
    for proxy in both:
        proxy.wait_until_up()
        for _ in range(10):
            ask(proxy.client())
    assert [total(proxy)["requests"] for proxy in both][1] == 20
    assert "can't be written" not in "".join(proxy.close() for proxy in both)


def test_refusals_are_in_it_but_not_those_of_strangers(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.db"
    proxy = start(
        proxies.profile(sim.url, ledger=f"sqlite:///{file}"), environ={"PROXY_STATIC_TOKEN": KEY}
    )
    stranger, client = proxy.client(), proxy.client(headers={"x-litellm-api-key": KEY})
    assert ask(stranger).status_code == 401
    assert ask(client, model="nothing").status_code == 404
    assert client.post("/v1/messages", content=b"no JSON").status_code == 400
    assert ask(client, messages="none").status_code == 400
    oversized = b" " * (33 * 1024 * 1024)
    with contextlib.suppress(httpx.TransportError):
        assert client.post("/v1/messages", content=oversized).status_code == 413
    pieces = (oversized[: 1024 * 1024] for _ in range(33))
    with contextlib.suppress(httpx.TransportError):
        assert client.post("/v1/messages", content=pieces).status_code == 413
    ask(client, model="claude-opus-5-5")
    proxy.close()
    assert sorted(rows(file)) == [
        ("shared", 200, ""),
        ("shared", 400, "invalid_request_error"),
        ("shared", 400, "invalid_request_error"),
        ("shared", 404, "not_found_error"),
        ("shared", 413, "request_too_large"),
        ("shared", 413, "request_too_large"),
    ]


def test_who_may_see_it(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": KEY})
    with httpx.Client(base_url=proxy.url, trust_env=False) as stranger:
        for path in ("/usage", "/usage.css", "/metrics"):
            assert stranger.get(path).status_code == 401
            for header in ({"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}):
                assert stranger.get(path, headers=header).status_code == 200
        browser = {"accept": "text/html"}
        asked = stranger.get("/usage", headers=browser)
        assert (asked.status_code, "Basic" in asked.headers["www-authenticate"]) == (401, True)
        page = stranger.get("/usage", headers=browser, auth=("any", KEY))
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert stranger.head("/usage", headers={"x-api-key": KEY}).content == b""
    elsewhere = proxy.client(headers={"host": "rebound.example"})
    assert elsewhere.get("/usage").status_code == 401


def test_in_mitmweb_behind_its_login(start: Start, sim: simulator.Simulator) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url))
    ask(web.proxy.client())
    page = web.api.get("/usage", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert ">glm</th>" in page.text
    assert web.api.get("/usage?by=target").json()["rows"][0]["target"] == "zai/glm-5"
    assert web.api.get("/usage?by=nothing").status_code == 400
    assert web.api.get("/usage.css").status_code == 200
    stranger = httpx.get(f"{web.url}/usage", headers={"accept": "text/html"}, trust_env=False)
    assert stranger.status_code == 403


HOSTILE = "<script>alert(1)</script>\"'&"


def test_hostile_names(start: Start, sim: simulator.Simulator) -> None:
    sim.when(lambda _: True, answers.text("hello"))
    routes = proxies.profile(sim.url)
    routes["models"]["*"] = "zai/*"
    proxy = start(routes)
    client = proxy.client(headers={"x-claude-code-session-id": "=cmd|' /C calc'!A0"})
    ask(client, model=HOSTILE)
    broken = json.dumps(proxies.message("null\x00 and \udcff\n line"))
    client.post("/v1/messages", content=broken.encode())
    ask(client, model="x" * 5000)
    for group in ("model", "session", "target", "client"):
        page = client.get(f"/usage?by={group}", headers={"accept": "text/html"}).text
        assert "<script>" not in page
        assert "alert(1)" in page or group in ("session", "client")
    assert "\n2" not in client.get("/usage?by=session&format=csv").text.split("\r\n", 1)[0]
    assert "'=cmd" in client.get("/usage?by=session&format=csv").text
    assert total(proxy)["requests"] == 3
    metrics = client.get("/metrics").text
    assert 'model="<script>' in metrics or 'model="*"' in metrics
