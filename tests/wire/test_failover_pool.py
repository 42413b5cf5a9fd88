"""The tokens of a pool take turns, then the fallbacks, over the wire of a real mitmdump."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from simulator import limits
from simulator import recorded
from tests.wire import pairs
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

# A pool


@pytest.fixture
def pooled(start: Start, sim: simulator.Simulator) -> Callable[..., httpx.Client]:
    """A client of a proxy with three tokens."""

    def pooled(*, first_byte_timeout: float = 120, **changes: Any) -> httpx.Client:
        pool = {"tokens": list(proxies.POOL[:3]), "strategy": "round-robin"}
        made = proxies.profile(sim.url, **{"pool": pool, **changes})
        made["providers"]["anthropic"]["first_byte_timeout"] = first_byte_timeout
        return start(made, behind=sim.url).client()

    return pooled


def limited(sim: simulator.Simulator, *places: int, **resets: Any) -> None:
    """Make Anthropic refuse these tokens, for an hour or as given."""
    for place in places:
        headers = limits.rejected("5h", now=time.time(), **resets)
        sim.when(carries(proxies.POOL[place - 1]), answers.failure(429, headers=headers))


def carries(token: str) -> recorded.Predicate:
    return lambda request: request.credential == token


def used(sim: simulator.Simulator) -> list[str]:
    """The last characters of the credentials that arrived, in order."""
    return [str(request.credential)[-4:] for request in sim.requests]


def test_the_third_token_answers_when_two_are_limited(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    limited(sim, 1, 2)
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        response = pairs.post(client)
        assert response.headers["x-route-target"] == "anthropic/claude-opus-5-5"
        assert response.headers["x-route-attempts"] == "3"
        assert used(sim) == ["pol1", "pol2", "pol3"]
        assert pairs.post(client).headers["x-route-attempts"] == "1"
        assert used(sim)[3:] == ["pol3"], "the first two rest"


def test_the_log_reports_what_rests_and_what_came_next(
    start: Start, sim: simulator.Simulator
) -> None:
    pool = {"tokens": list(proxies.POOL[:2])}
    proxy = start(
        proxies.profile(sim.url, pool=pool, fallbacks={"claude-*": ["glm"]}), behind=sim.url
    )
    limited(sim, 2, five_hour_in=3600)
    with proxy.client() as client:
        sim.script(answers.failure(429, headers=(("retry-after", "30"),)))
        pairs.post(client)
    assert re.search(
        r"claude-opus-5-5: anthropic \(token 1 …pol1\) 429, rests (30|29) s "
        r"→ anthropic \(token 2 …pol2\)",
        proxy.log,
    )
    assert re.search(
        r"claude-opus-5-5: anthropic \(token 2 …pol2\) 429, rests (3600|359\d) s → zai/glm-5",
        proxy.log,
    )


def test_the_fallback_answers_when_all_are_limited(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    limited(sim, 1, 2, 3)
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        response = pairs.post(client)
        assert response.headers["x-route-target"] == "zai/glm-5"
        assert response.headers["x-route-attempts"] == "4"
        assert used(sim) == ["pol1", "pol2", "pol3", "6789"]
        assert pairs.post(client).headers["x-route-attempts"] == "1", "none is asked while all rest"


def test_the_soonest_reset_is_reported_when_all_are_limited_without_a_fallback(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled() as client:
        limited(sim, 1, 3, five_hour_in=7200)
        limited(sim, 2, five_hour_in=20)
        response = pairs.post(client)
        assert response.status_code == 429
        error = response.json()["error"]
        assert error["type"] == "rate_limit_error"
        assert "anthropic/claude-opus-5-5 (token 2): 429" in error["message"]
        assert "pol2" not in error["message"]
        assert 15 <= int(response.headers["retry-after"]) <= 20
        pairs.post(client)
        assert used(sim)[3:] == ["pol2"], "the one that is due soonest"


def test_no_token_rests_for_a_request_that_is_wrong(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        for status in (400, 404, 413, 422):
            sim.script(answers.failure(status))
            assert pairs.post(client).status_code == status
        assert [pairs.post(client).status_code for _ in range(2)] == [200] * 2
    assert used(sim) == ["pol1", "pol2", "pol3", "pol1", "pol2", "pol3"]


def test_an_outage_is_no_fault_of_the_tokens(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        sim.script(answers.failure(529))
        answer = pairs.post(client)
        assert answer.headers["x-route-target"] == "anthropic/claude-opus-5-5"
        assert answer.headers["x-route-attempts"] == "2"
        assert [pairs.post(client).headers["x-route-attempts"] for _ in range(3)] == ["1"] * 3
    assert used(sim) == ["pol1", "pol2", "pol3", "pol1", "pol2"]


def test_an_outage_for_every_token_ends_with_the_fallback(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        sim.script(*[answers.failure(529)] * 3)
        assert pairs.post(client).headers["x-route-target"] == "zai/glm-5"
    assert used(sim) == ["pol1", "pol2", "pol3", "6789"]


def test_a_silent_upstream_is_not_asked_for_every_token(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled(fallbacks={"claude-*": ["glm"]}, first_byte_timeout=1) as client:
        sim.script(answers.Answer(before_head="silence"))
        assert pairs.post(client).headers["x-route-target"] == "zai/glm-5"
    assert used(sim) == ["pol1", "6789"]


def test_a_token_that_is_revoked_is_out_of_use(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled() as client:
        sim.script(answers.failure(403))
        assert pairs.post(client).status_code == 200
        assert [pairs.post(client).status_code for _ in range(2)] == [200] * 2
    assert used(sim) == ["pol1", "pol2", "pol3", "pol2"]
