"""The threads that the simulator keeps, as Anthropic does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from simulator import Simulator
from tests import clocks
from tests.wire.simulator_client import BASH
from tests.wire.simulator_client import BETAS
from tests.wire.simulator_client import KEY
from tests.wire.simulator_client import POINT
from tests.wire.simulator_client import RESULT
from tests.wire.simulator_client import ask
from tests.wire.simulator_client import message
from tests.wire.simulator_client import post
from tests.wire.simulator_client import turns

HEADERS = KEY | {"anthropic-beta": BETAS["anthropic-beta"] + ",message-threads-2026-08-12"}
SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cch=12345;"},
    {"type": "text", "text": "You are Claude."},
]


@pytest.fixture
def clock() -> clocks.Clock:
    return clocks.Clock()


@pytest.fixture
def sim(clock: clocks.Clock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as running:
        yield running


def create(sim: Simulator, prompt: str = "hello", **fields: Any) -> str:
    """The id of the answer that begins a thread."""
    body = ask(prompt, thread={"type": "create"}, tools=[BASH], system=SYSTEM)
    return str(message(sim, body | fields, HEADERS)["id"])


def more(previous: str, messages: list[dict[str, Any]] | None = None, **fields: Any) -> Any:
    thread = {"type": "continue", "previous_message_id": previous}
    body = ask(thread=thread, tools=[BASH], system=SYSTEM)
    return body | ({"messages": messages} if messages else {}) | fields


def refused(sim: Simulator, body: Any, headers: dict[str, str] = HEADERS) -> tuple[int, str]:
    status, _, content = post(sim, body, headers)
    return status, json.loads(content)["error"].get("details", {}).get("error_code", "")


def test_a_tool_loop_in_a_thread(sim: Simulator) -> None:
    first = message(
        sim, ask("run: echo hi", thread={"type": "create"}, tools=[BASH], system=SYSTEM), HEADERS
    )
    (call,) = (block for block in first["content"] if block["type"] == "tool_use")
    result = {**RESULT, "tool_use_id": call["id"], "content": "hi"}
    second = message(sim, more(first["id"], turns([result])), HEADERS)
    assert second["content"][-1]["text"] == "Result: hi"
    third = message(sim, more(second["id"], turns("and now")), HEADERS)
    assert third["content"][-1]["text"] == "You said: and now"


def test_cache_points_are_counted_in_the_request_alone(sim: Simulator) -> None:
    first = create(sim, messages=turns([POINT, POINT, POINT]))
    second = message(sim, more(first, turns([POINT, POINT, POINT])), HEADERS)["id"]
    message(sim, more(second, turns([POINT])), HEADERS)


def test_the_results_belong_to_calls_of_the_thread(sim: Simulator) -> None:
    assert refused(sim, more(create(sim), turns([RESULT]))) == (400, "")
    assert "unexpected `tool_use_id`" in sim.refusals[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": None},
        {"system": None},
        {"tools": None, "system": None},
        {"system": [{**SYSTEM[0], "text": "x-anthropic-billing-header: cch=67890;"}, SYSTEM[1]]},
        {"max_tokens": 3},
    ],
)
def test_what_may_differ(sim: Simulator, fields: dict[str, Any]) -> None:
    message(sim, more(create(sim), **fields), HEADERS)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "claude-sonnet-5-5"},
        {"tools": []},
        {"system": "You are another."},
        {"thinking": {"type": "adaptive"}},
    ],
)
def test_what_must_not_differ(sim: Simulator, fields: dict[str, Any]) -> None:
    refusal = refused(sim, more(create(sim), **fields))
    assert refusal == (400, "thread_fingerprint_mismatch")
    assert f"differing field: {next(iter(fields))}" in sim.refusals[0]


def test_five_minutes(sim: Simulator, clock: clocks.Clock) -> None:
    first, late = create(sim), create(sim)
    clock.now += 299
    message(sim, more(first), HEADERS)
    clock.now += 1
    assert refused(sim, more(late)) == (404, "thread_not_found")


def test_another_credential(sim: Simulator) -> None:
    other = HEADERS | {"x-api-key": "sk-ant-api03-y"}
    assert refused(sim, more(create(sim)), other) == (404, "thread_not_found")


@pytest.mark.parametrize("previous", ["msg_unknown", ""])
def test_an_unknown_thread(sim: Simulator, previous: str) -> None:
    status, code = refused(sim, more(previous))
    assert (status, code) == ((404, "thread_not_found") if previous else (400, ""))


def test_an_answer_is_continued_once(sim: Simulator) -> None:
    first = create(sim)
    message(sim, more(first), HEADERS)
    assert refused(sim, more(first)) == (400, "thread_already_continued")


def test_an_answer_outside_of_threads_is_not_kept(sim: Simulator) -> None:
    assert refused(sim, more(message(sim, ask())["id"])) == (404, "thread_not_found")


def test_tokens_of_a_thread_are_counted(sim: Simulator) -> None:
    body = more(create(sim))
    del body["max_tokens"]
    for _ in range(2):
        status, _, _ = post(sim, body, HEADERS, "/v1/messages/count_tokens")
        assert status == 200
