from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from typing import Any

import pytest
from mitmproxy import http

from claude_route.sessions import book
from claude_route.sessions import turns
from claude_route.watch import ended_flows
from claude_route.watch import labels
from claude_route.watch import prices
from claude_route.watch import summing_up
from tests.unit import flows


def working(**fields: Any) -> summing_up.SummingUp:
    return summing_up.SummingUp(book.Book(), **fields)


def add(works: summing_up.SummingUp, *ended: http.HTTPFlow) -> None:
    for flow in ended:
        found = labels.read(flow.metadata)
        works.add(ended_flows.describe(flow, found, None, prices.LISTED))


def only(works: summing_up.SummingUp) -> turns.Turn:
    (session,) = works.book.sessions()
    (turn,) = session.turns
    return turn


async def until(works: summing_up.SummingUp, number: int) -> None:
    """Wait until the sessions have so many turns."""
    for _ in range(100_000):
        if len(works.book) >= number:
            return
        await asyncio.sleep(0)
    pytest.fail("the summaries don't come")


async def test_summaries_are_made_in_order_and_later() -> None:
    stored: list[str] = []
    works = working(store=lambda turn: stored.append(turn.flow))
    made = [flows.exchange() for _ in range(5)]
    add(works, *made)
    assert len(works.book) == 0
    await until(works, 5)
    assert stored == [flow.id for flow in made]


async def threads(works: summing_up.SummingUp, *made: http.HTTPFlow) -> list[str]:
    """The threads in which the summaries of these flows are made."""
    names: list[str] = []
    works._store = lambda turn: names.append(threading.current_thread().name.rstrip("_0123456789"))
    add(works, *made)
    await until(works, len(made))
    assert [turn.flow for turn in works.book.sessions()[0].turns] == [flow.id for flow in made]
    return names


async def test_long_summaries_are_made_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summing_up, "MAX_READ", 10_000)
    monkeypatch.setattr(summing_up, "MAX_SECONDS", 60)
    messages = [{"role": "user", "content": "x" * 20_000}]
    long = flows.exchange(request=json.dumps({"messages": messages}).encode())
    encoded = flows.exchange()
    encoded.request.raw_content = gzip.compress(encoded.request.raw_content or b"")
    encoded.request.headers["content-encoding"] = "gzip"
    made = [flows.exchange(), long, flows.exchange(), encoded, flows.exchange()]
    for at, flow in enumerate(made):
        flow.request.timestamp_start = 1000 + at
    names = await threads(working(), *made)
    assert names == ["MainThread", "summaries", "MainThread", "summaries", "MainThread"]


async def test_so_are_those_that_turn_out_to_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing_up, "MAX_SECONDS", -1)
    assert await threads(working(), flows.exchange()) == ["summaries"]


async def test_what_is_stored_is_written_beside_the_event_loop() -> None:
    works = working(is_stored=lambda: True)
    assert await threads(works, flows.exchange()) == ["summaries"]


async def test_of_a_long_conversation_the_new_end_is_little_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summing_up, "MAX_SECONDS", 60)
    messages: list[dict[str, str]] = []
    made = []
    for at in range(4):
        messages += [
            {"role": "user", "content": f"{at} " + "x" * 300_000},
            {"role": "assistant", "content": "done"},
        ]
        asked_now = [*messages, {"role": "user", "content": "and now?"}]
        made.append(flows.exchange(request=json.dumps({"messages": asked_now}).encode()))
        again = flows.exchange(request=json.dumps({"messages": asked_now}).encode())
        made.append(again)
    for at, flow in enumerate(made):
        flow.request.timestamp_start = 1000 + at
        flow.request.headers["x-claude-code-session-id"] = "s1"
    works = working()
    for flow in made:
        works.book.began("s1", flow.id, flow.request.timestamp_start)
    assert await threads(works, *made) == ["summaries", "MainThread"] * 4


async def test_a_pace_leaves_the_interpreter_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(time, "sleep", rests.append)
    monkeypatch.setattr(summing_up, "STRETCH", -1)
    summing_up.Pace()(1)
    monkeypatch.setattr(summing_up, "STRETCH", 60)
    summing_up.Pace()(1)
    assert rests == [summing_up.REST]


async def test_too_much_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing_up, "MAX_WAITING", 10)
    works = working()
    add(works, flows.exchange())
    await until(works, 1)
    assert only(works).blocks == ()


async def test_one_that_fails_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def store(turn: turns.Turn) -> None:
        if turn.flow == first.id:
            raise RuntimeError("a fault of ours")

    first, second = flows.exchange(), flows.exchange()
    works = working(store=store)
    add(works, first, second)
    await until(works, 1)
    assert only(works).flow == second.id
    assert "a fault of ours" in caplog.text


async def test_what_waits_at_the_end_is_recorded() -> None:
    works = working()
    add(works, flows.exchange())
    works.done()
    assert len(works.book) == 1
