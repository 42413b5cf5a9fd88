"""Two proxies that share a store, behind HAProxy."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import limits
from tests import redis_server
from tests.wire import haproxy
from tests.wire import proxies

pytestmark = [redis_server.needs_redis, haproxy.needs_haproxy]

Start = Callable[..., proxies.Proxy]

ALICE = "cr-alice-0123456789"
MODEL = "claude-opus-5-5"
USED = {"input_tokens": 10, "output_tokens": 10}
PRICES = {"zai/glm-5": {"input": 10_000, "output": 40_000}}
"""An answer costs half a dollar."""


@pytest.fixture
def redis() -> Iterator[redis_server.Redis]:
    server = redis_server.Redis()
    yield server
    server.close()


class Team:
    def __init__(
        self,
        start: Start,
        sim: simulator.Simulator,
        store: str,
        arguments: Sequence[str],
        **changes: Any,
    ) -> None:
        pool = {"tokens": list(proxies.POOL[:3])}
        self.profile = proxies.profile(sim.url, **{"store": store, "pool": pool, **changes})
        self.proxies = [
            start(self.profile, behind=sim.url, wait=False, arguments=arguments) for _ in range(2)
        ]
        for proxy in self.proxies:
            proxy.wait_until_up()
        self.front = haproxy.HAProxy(self.proxies)

    def client(self, url: str | None = None, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=url or self.front.url,
            headers={"anthropic-version": "2023-06-01", **headers},
            trust_env=False,
            timeout=proxies.PATIENCE,
            limits=proxies.EVERY_CONNECTION,
        )


@pytest.fixture
def team(
    start: Start, sim: simulator.Simulator, redis: redis_server.Redis, tmp_path: Path
) -> Iterator[Callable[..., Team]]:
    teams: list[Team] = []

    def team(*, is_patient: bool = True, **changes: Any) -> Team:
        """`is_patient`: it waits for Redis however long that takes."""
        arguments = proxies.patient_with_redis(tmp_path) if is_patient else []
        teams.append(Team(start, sim, redis.url, arguments, **changes))
        return teams[-1]

    yield team
    for each in teams:
        each.front.close()


def ask(
    client: httpx.Client, session: str = "", model: str = MODEL, **fields: Any
) -> httpx.Response:
    headers = {"x-claude-code-session-id": session} if session else {}
    return client.post("/v1/messages", json=proxies.message(model, **fields), headers=headers)


def test_a_rest_and_a_revoked_token(team: Callable[..., Team], sim: simulator.Simulator) -> None:
    made = team(pool={"tokens": list(proxies.POOL[:3]), "strategy": "round-robin"})
    first, second = made.proxies
    headers = limits.rejected("5h", now=time.time(), five_hour_in=3600)
    sim.when(lambda each: each.credential == proxies.POOL[0], answers.failure(429, headers=headers))
    sim.when(
        lambda each: each.credential == proxies.POOL[1],
        answers.failure(401, "OAuth token has been revoked"),
    )
    with made.client(first.url) as one, made.client(second.url) as other:
        assert ask(one).headers["x-route-attempts"] == "3"

        def states() -> list[str]:
            return [each["state"] for each in other.get("/status").json()["pool"]["tokens"]]

        proxies.wait_until(lambda: states() == ["resting", "disabled", "available"])
        for _ in range(6):
            assert ask(other).headers["x-route-attempts"] == "1"
    assert [each.credential for each in sim.requests[3:]] == [proxies.POOL[2]] * 6


def test_sessions_stay_on_their_token(team: Callable[..., Team], sim: simulator.Simulator) -> None:
    made = team()

    def session(number: int) -> None:
        with made.client() as client:
            for _ in range(4):
                assert ask(client, f"session-{number}").status_code == 200

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(session, range(30)))
    used: dict[str, set[str]] = collections.defaultdict(set)
    for request in sim.requests:
        used[dict(request.headers)["x-claude-code-session-id"]].add(str(request.credential))
    assert len(used) == 30
    assert all(len(tokens) == 1 for tokens in used.values())
    sizes = collections.Counter(tokens.pop() for tokens in used.values())
    assert sorted(sizes.values()) == [10, 10, 10]


def test_a_budget_holds_for_200_requests_at_once(
    team: Callable[..., Team], sim: simulator.Simulator
) -> None:
    sim.default(answers.Answer(usage=USED, head_delay=0.02))
    key = f"sha256:{hashlib.sha256(ALICE.encode()).hexdigest()}"
    made = team(clients={"alice": {"key": key, "budget": {"day": 7.9}}}, prices=PRICES)
    with (
        made.client(**{"x-api-key": ALICE}) as alice,
        concurrent.futures.ThreadPoolExecutor(200) as pool,
    ):
        responses = list(
            pool.map(
                lambda n: ask(alice, model="glm", max_tokens=20, stream=bool(n % 2)), range(200)
            )
        )
    statuses = collections.Counter(each.status_code for each in responses)
    assert statuses == {200: 16, 429: 184}
    assert len(sim.requests) == 16


async def _many(url: str, count: int, at_once: int, seen: Callable[[int], None]) -> list[float]:
    """How long each request took, in seconds. All have to be answered."""
    took: list[float] = []
    places = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(
        base_url=url,
        trust_env=False,
        timeout=proxies.PATIENCE,
        headers={"x-api-key": ALICE, "anthropic-version": "2023-06-01"},
    ) as client:

        async def one(number: int) -> None:
            async with places:
                began = time.monotonic()
                response = await client.post(
                    "/v1/messages",
                    json=proxies.message(MODEL, stream=bool(number % 2)),
                    headers={"x-claude-code-session-id": f"session-{number % 50}"},
                )
                took.append(time.monotonic() - began)
                assert response.status_code == 200, response.text
                seen(len(took))

        await asyncio.gather(*(one(number) for number in range(count)))
    return took


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_redis_gone_in_the_middle_of_1000_requests(
    team: Callable[..., Team], redis: redis_server.Redis, sim: simulator.Simulator, how: str
) -> None:
    key = f"sha256:{hashlib.sha256(ALICE.encode()).hexdigest()}"
    made = team(is_patient=False, clients={"alice": {"key": key, "budget": {"day": 1000}}})
    steps = {300: redis.stop, 600: redis.start}
    if how == "frozen":
        steps = {300: redis.pause, 600: redis.resume}
    done: list[int] = []

    def seen(count: int) -> None:
        if count in steps:
            done.append(count)
            # In a thread: it takes a while.
            threading.Thread(target=steps[count]).start()

    asyncio.run(_many(made.front.url, 1000, 20, seen))
    assert done == [300, 600]
    assert len(sim.requests) == 1000
    if how == "killed":
        for proxy in made.proxies:
            proxy.wait_for_log(r"Store unix://\S+ is back")
            assert proxy.log.count("is gone:") == 1
    # It is in use again.
    with made.client(made.proxies[0].url, **{"x-api-key": ALICE}) as one:
        sim.script(answers.failure(429, headers=(("retry-after", "600"),)))
        assert ask(one).status_code == 200
    with made.client(made.proxies[1].url, **{"x-api-key": ALICE}) as other:
        proxies.wait_until(
            lambda: (
                "resting"
                in [each["state"] for each in other.get("/status").json()["pool"]["tokens"]]
            )
        )


def test_a_proxy_is_killed(team: Callable[..., Team], sim: simulator.Simulator) -> None:
    sim.default(answers.Answer(head_delay=0.02))
    made = team()
    finished = 0
    retried = 0

    def session(number: int) -> None:
        nonlocal finished, retried
        with made.client() as client:
            for _ in range(20):
                try:
                    response = ask(client, f"session-{number}")
                    is_answered = response.status_code == 200
                except httpx.TransportError:
                    is_answered = False
                if not is_answered:
                    retried += 1
                    time.sleep(0.5)  # as Claude Code does
                    assert ask(client, f"session-{number}").status_code == 200
                finished += 1
                if finished == 100:
                    made.proxies[0].process.kill()

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(session, range(10)))
    assert finished == 200
    assert retried <= 10, "those under way at the proxy that died"
    used: dict[str, set[str]] = collections.defaultdict(set)
    for request in sim.requests:
        used[dict(request.headers)["x-claude-code-session-id"]].add(str(request.credential))
    assert all(len(tokens) == 1 for tokens in used.values())


def test_a_restart_without_a_store(start: Start, sim: simulator.Simulator) -> None:
    pool = {"tokens": list(proxies.POOL[:3]), "strategy": "round-robin"}
    profile = proxies.profile(sim.url, pool=pool)
    sim.script(
        answers.failure(429, headers=(("retry-after", "600"),)),
        answers.failure(401, "OAuth token has been revoked"),
    )
    proxy = start(profile, behind=sim.url)
    path = proxy.folder / ".local/state/claude-route/tokens.json"
    with proxy.client() as client:
        assert not path.exists()
        assert ask(client).status_code == 200
        proxies.wait_until(path.exists)
        written = path.stat().st_mtime_ns
        for _ in range(3):
            assert ask(client).status_code == 200
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(path.read_text())["tokens"]) == 2
    for token in proxies.POOL:
        assert token[-12:] not in path.read_text()
    proxy.close()
    assert path.stat().st_mtime_ns == written, "nothing had changed"

    def states(again: proxies.Proxy) -> list[str]:
        with again.client() as client, contextlib.suppress(httpx.TransportError):
            return [each["state"] for each in client.get("/status").json()["pool"]["tokens"]]
        return []

    environ = {"HOME": str(proxy.folder)}
    again = start(profile, behind=sim.url, environ=environ)
    assert states(again) == ["resting", "disabled", "available"]
    again.close()
    # As while it runs, another profile gives the disabled one another chance.
    changed = start({**profile, "max_attempts": 3}, behind=sim.url, environ=environ)
    assert states(changed) == ["resting", "available", "available"]
