"""`/sessions` of `claude-route up --workers N`: one, whichever worker answers."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests import redis_server
from tests.wire import proxies
from tests.wire import test_clients
from tests.wire.test_workers import Workers

pytestmark = [
    redis_server.needs_redis,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux divides connections"),
]

ALL = {"x-litellm-api-key": test_clients.ALICE}
BOB = {"x-litellm-api-key": test_clients.BOB}
LOOKS = 8
"""New connections, so that surely both workers are asked."""
TURNS = 16


@pytest.fixture
def two(tmp_path: Path, sim: simulator.Simulator) -> Iterator[Workers]:
    """Alice sees all, Bob what he has sent."""
    clients: dict[str, Any] = {"alice": {"admin": True}, "bob": {}}
    profile = test_clients.profile(sim.url, clients)
    started = Workers(tmp_path, profile, 2, "--set", "keep_bodies=20")
    started.wait_for_workers(2, ALL)
    yield started
    started.close()


def ask(proxy: Workers, session: str, prompt: str, key: dict[str, str] = ALL) -> None:
    headers = {**key, "x-claude-code-session-id": session}
    with proxy.client(headers=headers) as client:
        body = proxies.message("glm", messages=[{"role": "user", "content": prompt}])
        body["tools"] = [{"name": "Read", "input_schema": {"type": "object"}}]
        assert client.post("/v1/messages", json=body).status_code == 200


def looks(proxy: Workers, path: str, key: dict[str, str] = ALL, accept: str = "") -> list[Any]:
    """What the workers say: an element for each answer that differs from the others."""
    headers = {**key, "accept": accept} if accept else key
    seen: list[Any] = []
    for _ in range(LOOKS):
        answer = httpx.get(f"{proxy.url}{path}", headers=headers, trust_env=False)
        shown = answer.json() if answer.status_code == 200 and not accept else answer.text
        if isinstance(shown, dict):
            shown.pop("version", None)
        if shown not in seen:
            seen.append(shown)
    return seen


def only(proxy: Workers, path: str, key: dict[str, str] = ALL, accept: str = "") -> Any:
    (shown,) = looks(proxy, path, key, accept)
    return shown


def wait_for_turns(proxy: Workers, session: str, number: int) -> None:
    def turns() -> int:
        answer = httpx.get(f"{proxy.url}/sessions/{session}", headers=ALL, trust_env=False)
        return len(answer.json().get("turns", []))

    proxies.wait_until(lambda: turns() == number)


def test_one_session_of_two_workers(two: Workers) -> None:
    for number in range(TURNS):
        ask(two, "s1", f"prompt {number} {'word ' * 100} THE END {number}")
    ask(two, "s2", "bob's own", BOB)
    wait_for_turns(two, "s1", TURNS)
    wait_for_turns(two, "s2", 1)
    listed = only(two, "/sessions")["sessions"]
    assert [(each["id"], each["turns"]) for each in listed] == [("s2", 1), ("s1", TURNS)]
    whole = only(two, "/sessions/s1")
    assert whole["turns"] == sorted(whole["turns"], key=lambda turn: turn["at"])
    assert len(only(two, "/sessions?search=prompt")["hits"]) == TURNS
    first, last = whole["turns"][0]["flow"], whole["turns"][-1]["flow"]
    # Bodies too, and no matter who keeps them.
    page = only(two, f"/sessions/s1/{first}?part=conversation", accept="text/html")
    assert "THE END 0" in page
    compared = only(two, f"/sessions/s1/{first}?with={last}", accept="text/html")
    assert "2 turns side by side" in compared
    for form in ("html", "jsonl"):
        exported = only(two, f"/sessions/s1.{form}", accept="text/html")
        assert all(f"THE END {number}" in exported for number in range(TURNS))
    archive = json.loads(only(two, "/sessions/s1.har", accept="text/html"))
    assert all("postData" in entry["request"] for entry in archive["log"]["entries"])
    # What a client sees doesn't grow.
    assert [each["id"] for each in only(two, "/sessions", BOB)["sessions"]] == ["s2"]
    assert only(two, "/sessions?search=prompt", BOB) == {"hits": []}
    for path in ("/sessions/s1", "/sessions/s1.jsonl", f"/sessions/s2/{first}"):
        assert "no such" in only(two, path, BOB)


def test_a_running_request_of_the_other_worker(two: Workers, sim: simulator.Simulator) -> None:
    ask(two, "s1", "first")
    wait_for_turns(two, "s1", 1)
    # Longer than anyone looks, however slow the machine is: the client goes away.
    sim.default(answers.Answer(content=(answers.Text("growing " * 5000),), event_delay=0.1))
    body = {**proxies.message("glm", stream=True)}
    with (
        two.client(headers={**ALL, "x-claude-code-session-id": "s1"}) as client,
        client.stream("POST", "/v1/messages", json=body) as answer,
    ):
        lines = answer.iter_lines()  # which would close the answer, if it went away
        next(lines)
        assert only(two, "/sessions")["sessions"][0]["running"] == 1
        page = httpx.get(
            f"{two.url}/sessions/s1", headers={**ALL, "accept": "text/html"}, trust_env=False
        ).text
        link = page.partition('class="now" href="')[2].partition('"')[0].rpartition("/")[2]
        assert link

        def grows() -> bool:
            """At both workers."""
            shown = looks(two, f"/sessions/s1/{link}", accept="text/html")
            assert all("being answered" in each for each in shown)
            return all("growing growing" in each for each in shown)

        proxies.wait_until(grows)
    wait_for_turns(two, "s1", 2)
    assert only(two, "/sessions")["sessions"][0]["running"] == 0


def test_a_worker_that_dies(two: Workers) -> None:
    for number in range(TURNS):
        ask(two, "s1", f"prompt {number}")
    wait_for_turns(two, "s1", TURNS)
    assert len(only(two, "/sessions/s1")["turns"]) == TURNS
    os.kill(two.workers[0], signal.SIGKILL)
    two.wait_for_log(r"worker \d ended with status -9; another starts in 0.5 s")
    ask(two, "s1", "another")
    proxies.wait_until(lambda: len(two.workers) == 2)
    # The one that is new has what the other has.
    two.wait_for_workers(2, ALL)
    proxies.wait_until(
        lambda: [len(each["turns"]) for each in looks(two, "/sessions/s1")] == [TURNS + 1],
        seconds=2 * proxies.PATIENCE,
    )
