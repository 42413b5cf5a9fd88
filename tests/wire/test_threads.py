"""Message threads and server tools over the wire: what is sent where, and what the client is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import proxies

BETA = {"anthropic-beta": "message-threads-2026-08-12", "anthropic-version": "2023-06-01"}
SEARCH = [{"type": "web_search_20250305", "name": "web_search"}]
SERIAL = itertools.count(1)


@pytest.fixture(scope="module")
def proxy(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    """A pool that gives each request the next token."""
    pool = {"tokens": list(proxies.POOL[:3]), "strategy": "round-robin"}
    profile = proxies.profile(shared_sim.url, pool=pool, fallbacks={"claude-*": ["glm"]})
    running = proxies.Proxy(tmp_path_factory.mktemp("proxy"), profile, behind=shared_sim.url)
    yield running
    running.close()


@pytest.fixture(params=["reverse", "tunnel"])
def client(request: pytest.FixtureRequest, proxy: proxies.Proxy) -> Iterator[httpx.Client]:
    """Through each of the listeners."""
    headers = {"x-api-key": proxies.API_KEY, **BETA}
    if request.param == "reverse":
        made = proxy.client(headers=headers)
    else:
        made = proxy.tunnel_client(base_url="https://api.anthropic.com", headers=headers)
    with made:
        yield made


def ask(client: httpx.Client, model: str = "claude-opus-5-5", **fields: Any) -> httpx.Response:
    return client.post("/v1/messages", json=proxies.message(model, **{"stream": False, **fields}))


def message_id(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    start = answer.text.partition('"id":"')[2]
    return start.partition('"')[0]


def more(client: httpx.Client, previous: httpx.Response, **fields: Any) -> httpx.Response:
    thread = {"type": "continue", "previous_message_id": message_id(previous)}
    return ask(client, thread=thread, **fields)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["details"]["error_code"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_thread_stays_with_its_token(
    seen: simulator.Simulator, client: httpx.Client, stream: bool
) -> None:
    answer = ask(client, thread={"type": "create"}, stream=stream)
    for _ in range(4):
        answer = more(client, answer, stream=stream)
        assert answer.headers["x-route-attempts"] == "1"
    message_id(answer)
    assert len({recorded.credential for recorded in seen.requests}) == 1
    assert not seen.refusals


def test_a_thread_whose_token_has_its_limit_starts_over_at_once(
    seen: simulator.Simulator, client: httpx.Client
) -> None:
    first = ask(client, thread={"type": "create"})
    (began,) = {recorded.credential for recorded in seen.requests}
    seen.when(
        lambda recorded: recorded.credential == began and "thread" not in recorded.json,
        answers.failure(429, headers=[("retry-after", "2")]),
    )
    while not any(recorded.status == 429 for recorded in seen.requests):
        ask(client)
    count = len(seen.requests)
    assert code(more(client, first)) == (404, "thread_not_found")
    assert len(seen.requests) == count
    again = ask(client, thread={"type": "create"})
    assert message_id(again)
    assert seen.requests[-1].credential != began
    more(client, again)
    proxies.wait_until(lambda: more(client, first).status_code == 200, 5)


def test_another_providers_model_keeps_none(
    seen: simulator.Simulator, client: httpx.Client
) -> None:
    answer = ask(client, "glm", thread={"type": "create"})
    assert code(answer) == (400, "thread_unsupported_request")
    assert message_id(ask(client, "glm"))
    assert len(seen.requests) == 1


def test_a_search_is_refused_where_nobody_searches(
    seen: simulator.Simulator, client: httpx.Client
) -> None:
    answer = ask(client, "glm", tools=SEARCH)
    assert code(answer) == (400, "policy_blocked")
    assert "web_search" in answer.json()["error"]["message"]
    assert not seen.requests


def test_a_search_of_claudes_falls_back_to_nobody(
    seen: simulator.Simulator, client: httpx.Client
) -> None:
    model = f"claude-down-{next(SERIAL)}"
    seen.when(lambda recorded: recorded.model == model, answers.failure(529))
    assert ask(client, model, tools=SEARCH).status_code == 529
    assert {recorded.model for recorded in seen.requests} == {model}
