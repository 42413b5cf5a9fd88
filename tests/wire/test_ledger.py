"""The ledger of a real proxy: it adds up, outlasts a crash, and no request waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

import simulator
from simulator import answers
from tests.wire import proxies

CLIENTS = 16
"""Requests at a time."""

TOKENS = {
    "input_tokens": 1001,
    "output_tokens": 73,
    "cache_read_input_tokens": 5003,
    "cache_creation_input_tokens": 207,
}

FAULTS = (
    *("ok", "ok", "ok", "ok", "429", "529", "500", "reset", "close", "cut", "slow", "refused"),
    *("unknown", "everywhere"),
)
"""What happens to requests in turn; each names its fault in its text."""


@dataclass(frozen=True)
class Outcome:
    """A request as its client saw it."""

    session: str
    fault: str
    ended: float
    """By time.monotonic()."""
    status: int = 0
    """0: the connection was lost."""
    usage: tuple[int, ...] | None = None
    """Input, output, cache read, cache write; None for anything but a whole answer."""
    target: str = ""


@pytest.fixture
def faulty(sim: simulator.Simulator) -> simulator.Simulator:
    """Claude has the faults, and glm is asked when it fails."""
    usage = answers.Answer(usage=TOKENS)
    claude = "claude-opus-5-5"

    def of(fault: str) -> Callable[[Any], bool]:
        mark = f"fault:{fault}.".encode()
        return lambda request: mark in request.body

    def of_claude(fault: str) -> Callable[[Any], bool]:
        mark = f"fault:{fault}.".encode()
        return lambda request: mark in request.body and claude.encode() in request.body

    sim.when(lambda _: True, usage)
    sim.when(of_claude("429"), answers.failure(429, "slow down"))
    sim.when(of_claude("529"), answers.failure(529, "overloaded"))
    sim.when(of_claude("500"), answers.failure(500, "broken"))
    sim.when(of_claude("reset"), answers.Answer(before_head="reset"))
    sim.when(of_claude("close"), answers.Answer(before_head="close"))
    sim.when(of("cut"), answers.Answer(usage=TOKENS, cut_events=4, end="reset"))
    sim.when(of("slow"), answers.Answer(usage=TOKENS, head_delay=0.05))
    sim.when(of("refused"), answers.failure(400, "no such parameter"))
    sim.when(of("everywhere"), answers.failure(529, "overloaded"))
    return sim


def profile(sim: simulator.Simulator, url: str) -> dict[str, Any]:
    return proxies.profile(
        sim.url,
        ledger=url,
        fallbacks={"claude-*": ["glm"]},
        pool={"cooldown": 0},
        prices={"zai/glm-5": {"input": 1, "output": 2, "cache_read": 0.1, "cache_write": 1}},
    )


async def ask(client: httpx.AsyncClient, number: int) -> Outcome:
    fault = FAULTS[number % len(FAULTS)]
    session = f"session-{number:05d}"
    model = "no-such-model" if fault == "unknown" else "claude-opus-5-5"
    body = proxies.message(model, f"fault:{fault}. Hello", stream=number % 3 != 0)
    headers = {"x-claude-code-session-id": session}
    try:
        answer = await client.post("/v1/messages", json=body, headers=headers)
    except httpx.HTTPError:
        return Outcome(session, fault, time.monotonic())
    return Outcome(
        session,
        fault,
        time.monotonic(),
        answer.status_code,
        usage_in(answer),
        answer.headers.get("x-route-target", ""),
    )


def usage_in(answer: httpx.Response) -> tuple[int, ...] | None:
    """What a whole answer says that it used."""
    if answer.status_code != 200:
        return None
    if "event-stream" not in answer.headers["content-type"]:
        return tokens_of(answer.json()["usage"])
    events = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
    if events[-1]["type"] != "message_stop":
        return None
    start = next(event for event in events if event["type"] == "message_start")
    delta = next(event for event in events if event["type"] == "message_delta")
    return tokens_of({**start["message"]["usage"], **delta["usage"]})


def tokens_of(usage: dict[str, int]) -> tuple[int, ...]:
    return tuple(usage[name] for name in TOKENS)


async def load(url: str, numbers: Iterator[int], until: Callable[[int], bool]) -> list[Outcome]:
    """Requests, so many at a time, until `until` holds for how many are done."""
    outcomes: list[Outcome] = []
    headers = {"x-api-key": proxies.API_KEY, "anthropic-version": "2023-06-01"}
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, trust_env=False, timeout=30, limits=limits
    ) as client:

        async def one_by_one() -> None:
            for number in numbers:
                outcomes.append(await ask(client, number))
                if until(len(outcomes)):
                    return

        await asyncio.gather(*(one_by_one() for _ in range(CLIENTS)))
    return outcomes


type Rows = dict[str, dict[str, Any]]


def rows_of(url: str) -> Rows:
    """The ledger's rows by session, as the database itself has them. Each session has one."""
    query = "SELECT * FROM requests"
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            cursor = connection.execute(query)
            names, found = [column[0] for column in cursor.description], cursor.fetchall()
    else:
        with psycopg.connect(url, client_encoding="utf8") as server:
            answer = server.execute(query)
            assert answer.description
            names, found = [column.name for column in answer.description], answer.fetchall()
    rows = [dict(zip(names, row, strict=True)) for row in found]
    by_session = {row["session"]: row for row in rows}
    assert len(by_session) == len(rows), "a request was written twice"
    return by_session


def compare(outcomes: list[Outcome], rows: Rows) -> None:
    """Row by row, with what the clients got."""
    for outcome in outcomes:
        row = rows[outcome.session]
        tokens = tuple(row[name] for name in ("input", "output", "cache_read", "cache_write"))
        assert outcome.status in (0, row["status"]), (outcome, row)
        if outcome.usage is not None:
            assert (tokens, bool(row["is_estimated"])) == (outcome.usage, False), (outcome, row)
            assert row["target"] == outcome.target
            assert row["error"] == ""
        elif outcome.status == 200:
            assert outcome.fault == "cut"
            assert row["is_estimated"] and row["error"] == "interrupted", (outcome, row)
        elif outcome.status:
            assert sum(tokens) == 0 and row["cost"] == 0 and row["error"], (outcome, row)


PRICES = {
    "anthropic/claude-opus-5-5": (4, 20, 0.2, 5),
    "zai/glm-5": (1, 2, 0.1, 1),
}
"""Dollars a million, in the order of TOKENS."""


def dollars(outcome: Outcome) -> float:
    assert outcome.usage
    prices = PRICES[outcome.target]
    return sum(p * n for p, n in zip(prices, outcome.usage, strict=True)) / 1_000_000


REQUESTS = 5000


def test_it_adds_up_over_a_crash(
    faulty: simulator.Simulator, start: Callable[..., proxies.Proxy], database: str
) -> None:
    """5,000 requests with faults, a kill -9 in the middle of them, and a restart."""
    numbers = iter(range(REQUESTS))
    environ = {"CLAUDE_OAUTH_TOKENS": ",".join(proxies.POOL)}
    first = start(profile(faulty, database), environ=environ)
    killed = 0.0

    def kill(done: int) -> bool:
        nonlocal killed
        if done >= REQUESTS // 2 and not killed:
            os.kill(first.process.pid, signal.SIGKILL)
            killed = time.monotonic()
        return killed > 0

    before = asyncio.run(load(first.url, numbers, kill))
    first.process.wait()
    second = start(profile(faulty, database), environ=environ)
    after = asyncio.run(load(second.url, numbers, lambda _: False))
    assert len(before) + len(after) == REQUESTS
    report = second.client().get("/usage", params={"by": "target,kind", "since": "1h"}).json()
    second.close()

    rows = rows_of(database)
    survived = [each for each in before if each.session in rows]
    lost = [each for each in before if each.session not in rows]
    # A batch is written each second, and takes some time itself: more on a busy machine.
    late = [round(killed - each.ended, 2) for each in lost if each.status]
    assert max(late, default=0) < 5, late
    compare([*survived, *after], rows)
    assert len(rows) == len(survived) + len(after)

    # The report is their sum, to the last token and the last billionth of a dollar.
    assert report["total"]["requests"] == len(rows)
    for name in ("input", "output", "cache_read", "cache_write"):
        assert report["total"]["tokens"][name] == sum(row[name] for row in rows.values())
    assert report["total"]["cost"] == sum(row["cost"] for row in rows.values()) / 1e9
    whole = [each for each in (*survived, *after) if each.usage]
    paid = sum(rows[each.session]["cost"] for each in whole) / 1e9
    assert paid == pytest.approx(sum(map(dollars, whole)), rel=1e-9)
    assert len(whole) > REQUESTS / 2
