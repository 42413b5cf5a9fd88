"""`claude-route up --workers N`, and the graceful stop."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import ports
from tests import redis_server
from tests.wire import proxies

pytestmark = [
    redis_server.needs_redis,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux divides connections"),
]


NOWHERE = "https://127.0.0.1:9"
"""As by default it is https, for which mitmproxy would listen on UDP too."""


class Workers(proxies.Proxy):
    """`claude-route up` with several processes."""

    def __init__(self, folder: Path, profile: Any, count: int, *arguments: str) -> None:
        self.folder = folder
        self.profile_path = folder / "profile.yaml"
        self.write_profile(profile)
        self.reverse_port = ports.free()
        self.url = f"http://127.0.0.1:{self.reverse_port}"
        self.log_path = folder / "log.txt"
        command = [
            *(sys.executable, "-m", "claude_route", "up", "--workers", str(count)),
            *("--profile", str(self.profile_path), "--set", f"confdir={folder / 'mitmproxy'}"),
            *("--mode", f"reverse:{NOWHERE}@127.0.0.1:{self.reverse_port}", *arguments),
        ]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(proxies.ROOT / "addons"),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def children(self, of: str) -> list[int]:
        """The processes whose command has text like this regular expression."""
        pid = self.process.pid
        try:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(p) for p in found if re.search(of, Path(f"/proc/{p}/cmdline").read_text())]
        except OSError:
            return []

    @property
    def workers(self) -> list[int]:
        return self.children(r"worker\.main")

    def wait_for_workers(self, count: int, headers: dict[str, str] | None = None) -> None:
        """Until so many serve: each puts its metrics into the store. `headers` have a key that sees all."""

        def serving() -> int:
            assert self.process.poll() is None, self.log
            try:
                text = httpx.get(f"{self.url}/metrics", headers=headers, trust_env=False).text
            except httpx.TransportError:
                return 0
            return text.count("claude_route_info{")

        proxies.wait_until(lambda: serving() >= count, seconds=2 * proxies.PATIENCE)


@pytest.fixture
def profile(sim: simulator.Simulator) -> dict[str, Any]:
    return proxies.profile(sim.url, pool={"tokens": list(proxies.POOL[:3])})


@pytest.fixture
def two(tmp_path: Path, profile: dict[str, Any]) -> Iterator[Workers]:
    started = Workers(tmp_path, profile, 2, *proxies.patient_with_redis(tmp_path))
    started.wait_for_workers(2)
    yield started
    started.close()


def ask(proxy: proxies.Proxy, session: str = "", **fields: Any) -> httpx.Response:
    """On a connection of its own: the system gives it to one of the workers."""
    headers = {"x-claude-code-session-id": session} if session else {}
    with proxy.client() as client:
        return client.post("/v1/messages", json=proxies.message(**fields), headers=headers)


def test_they_share_what_they_know(two: Workers, sim: simulator.Simulator) -> None:
    # A scrape has the metrics of both, whichever it reaches.
    def counts() -> dict[str, float]:
        lines = httpx.get(f"{two.url}/metrics", trust_env=False).text.splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if line.startswith("claude_route_requests_total{"):
                worker = line.partition('worker="')[2].partition('"')[0]
                found[worker] = found.get(worker, 0) + float(line.rpartition(" ")[2])
        return found

    made: list[int] = []

    def both_answer() -> bool:
        """One may begin to listen while the other has all connections."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made.extend(pool.map(lambda n: ask(two, f"session-{n % 6}").status_code, range(60)))
        proxies.wait_until(lambda: sum(counts().values()) == len(made))
        return counts().keys() == {"1", "2"}

    proxies.wait_until(both_answer)
    assert set(made) == {200}
    used: dict[str, set[str]] = {}
    for request in sim.requests:
        session = dict(request.headers)["x-claude-code-session-id"]
        used.setdefault(session, set()).add(str(request.credential))
    assert [len(tokens) for tokens in used.values()] == [1] * 6
    usage = httpx.get(f"{two.url}/usage?by=model", trust_env=False).text
    assert str(len(made)) in usage
    sim.script(answers.failure(429, headers=(("retry-after", "600"),)))
    assert ask(two).status_code == 200

    def resting() -> set[int]:
        """How many tokens rest, as 20 connections say."""
        pools = (httpx.get(f"{two.url}/status", trust_env=False).json()["pool"] for _ in range(20))
        return {[token["state"] for token in pool["tokens"]].count("resting") for pool in pools}

    proxies.wait_until(lambda: resting() == {1})


def test_one_that_dies_is_replaced(two: Workers) -> None:
    before = two.workers
    os.kill(before[0], signal.SIGKILL)
    two.wait_for_log(r"worker \d ended with status -9; another starts in 0.5 s")
    assert ask(two).status_code == 200
    proxies.wait_until(lambda: len(two.workers) == 2)
    assert set(two.workers) != set(before)
    (redis,) = two.children("redis|valkey")
    os.kill(redis, signal.SIGKILL)
    for _ in range(5):
        assert ask(two).status_code == 200
    two.wait_for_log("Redis ended with status -9; it starts again")
    two.wait_for_log("Store .* is back")


def test_a_changed_profile(two: Workers, profile: dict[str, Any]) -> None:
    two.write_profile({**profile, "models": {**profile["models"], "new": "zai/new"}})

    def answered() -> bool:
        return [ask(two, model="new").status_code for _ in range(10)] == [200] * 10

    proxies.wait_until(answered)


def test_a_graceful_stop(two: Workers, sim: simulator.Simulator) -> None:
    """All streams end well, and are in the ledger."""
    text = answers.Text("word " * 60)
    sim.default(answers.Answer(content=(text,), event_delay=0.05))
    ended: list[bool] = []
    begun = threading.Semaphore(0)

    def stream() -> None:
        body = proxies.message(stream=True)
        with two.client() as client, client.stream("POST", "/v1/messages", json=body) as response:
            pieces = response.iter_bytes()
            data = next(pieces)
            begun.release()
            ended.append(b"message_stop" in b"".join([data, *pieces]))

    threads = [threading.Thread(target=stream) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=proxies.PATIENCE)
    two.process.terminate()

    def is_closed() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", two.reverse_port), proxies.PATIENCE).close()
            return False
        return True

    proxies.wait_until(is_closed)
    for thread in threads:
        thread.join()
    assert ended == [True] * 6
    assert two.process.wait(proxies.PATIENCE) == 0
    assert two.workers == []
    ledger = two.folder / ".local/state/claude-route/ledger.db"
    count = subprocess.run(
        [sys.executable, "-c", COUNT, str(ledger)], capture_output=True, text=True, check=True
    )
    assert count.stdout.strip() == "6"


COUNT = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("select count(*) from requests").fetchone()[0])
"""


def test_the_supervisor_is_killed(two: Workers) -> None:
    pids = [*two.workers, *two.children("redis|valkey")]
    assert len(pids) == 3
    two.process.kill()
    two.process.wait()

    def is_over(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    proxies.wait_until(lambda: all(map(is_over, pids)))


def test_a_start_that_fails(tmp_path: Path, profile: dict[str, Any]) -> None:
    wrong = Workers(tmp_path, {**profile, "nothing": 1}, 2)
    assert wrong.process.wait(proxies.PATIENCE) == 1
    assert "nothing" in wrong.log
    first = Workers(tmp_path, profile, 2)
    first.wait_for_workers(2)
    second = Workers(tmp_path, profile, 2)
    second.process.kill()
    second.process.wait()
    second = Workers(tmp_path, profile, 2)
    second.reverse_port = first.reverse_port
    second.close()
    taken = subprocess.run(
        [
            *(sys.executable, "-m", "claude_route", "up", "--workers", "2"),
            *("--profile", str(first.profile_path), "--set", f"confdir={tmp_path / 'mitmproxy'}"),
            *("--mode", f"reverse:{NOWHERE}@127.0.0.1:{first.reverse_port}"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(proxies.ROOT / "addons"),
        },
        capture_output=True,
        text=True,
        timeout=proxies.PATIENCE,
        check=False,
    )
    assert taken.returncode == 1
    assert "Another program listens on" in taken.stdout + taken.stderr
    first.close()


def test_readiness_goes_first(start: Any, sim: simulator.Simulator) -> None:
    """In one process, too."""
    sim.default(answers.Answer(head_delay=3))
    proxy = start(
        proxies.profile(sim.url),
        behind=sim.url,
        arguments=["--set", "drain_delay=1", "--set", "drain_seconds=20"],
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool, proxy.client() as client:
        answer = pool.submit(ask, proxy)
        sim.wait_for(1)
        assert client.get("/health").status_code == 200
        proxy.process.terminate()
        proxies.wait_until(lambda: client.get("/health").status_code == 503)
        assert client.get("/v1/models").status_code == 200, "still served"
        assert answer.result().status_code == 200
    assert proxy.process.wait(proxies.PATIENCE) == 0


def test_a_stream_that_takes_too_long(start: Any, sim: simulator.Simulator) -> None:
    text = answers.Text("word " * 4000)
    sim.default(answers.Answer(content=(text,), event_delay=0.1))
    proxy = start(proxies.profile(sim.url), behind=sim.url, arguments=["--set", "drain_seconds=1"])
    body = proxies.message(stream=True)
    with proxy.client() as client, client.stream("POST", "/v1/messages", json=body) as response:
        pieces = response.iter_bytes()
        next(pieces)
        began = time.monotonic()
        proxy.process.terminate()
        with pytest.raises(httpx.TransportError):
            list(pieces)
        assert 0.9 < time.monotonic() - began < 10
    assert proxy.process.wait(proxies.PATIENCE) == 0
    assert "Stopping, which interrupts 1 request" in proxy.log
