"""A failed provider is replaced before the client sees anything, over the wire of a real mitmdump."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from simulator import answers
from tests.wire import pairs
from tests.wire import proxies

# What is replaced

FAILURES = [
    pytest.param("claude", {"status": 429}, "429", id="429"),
    pytest.param("claude", {"status": 500}, "500", id="500"),
    pytest.param("claude", {"status": 503}, "503", id="503"),
    pytest.param("claude", {"status": 529}, "529", id="529"),
    pytest.param("refused", {}, "no connection to 127.0.0.1:", id="refused"),
    pytest.param("far", {}, "no connection within 1 s", id="not connected in time"),
    pytest.param("claude", {"before_head": "reset"}, "closed without a response", id="reset"),
    pytest.param("claude", {"before_head": "close"}, "closed without a response", id="closed"),
    pytest.param("hasty", {"before_head": "silence"}, "silent for 1 s", id="silent"),
    pytest.param("claude", {"error_at": 0}, "first event overloaded_error", id="first event"),
    pytest.param(
        "claude",
        {"error_at": 0, "noise": ("comment", "ping")},
        "first event overloaded_error",
        id="first event after a comment",
    ),
    pytest.param("claude", {"error_at": 1}, "first event overloaded_error", id="second event"),
    pytest.param(
        "claude", {"cut_events": 1}, "the provider ended the stream early", id="only message_start"
    ),
    pytest.param(
        "hasty", {"cut_events": 0, "end": "hang"}, "silent for 1 s", id="silent after the head"
    ),
    pytest.param(
        "hasty", {"cut_events": 1, "end": "hang"}, "silent for 1 s", id="silent after message_start"
    ),
    pytest.param("claude", {"cut_events": 0}, "ended before the first event", id="no event"),
    pytest.param(
        "claude",
        {"cut_events": 0, "end": "reset"},
        "lost in the middle of the response",
        id="no event, reset",
    ),
    pytest.param(
        "claude",
        {"headers": (("content-encoding", "compress"),)},
        "content-encoding",
        id="unreadable",
    ),
]


@pytest.mark.parametrize("client", [pairs.reverse, pairs.tunnel, pairs.http2], indirect=True)
@pytest.mark.parametrize(("kind", "failure", "why"), FAILURES)
def test_a_failure_is_replaced_by_the_fallbacks_stream(
    pair: pairs.Pair, client: httpx.Client, kind: str, failure: dict[str, Any], why: str
) -> None:
    model = pair.model(kind)
    pair.when(model, **failure)
    pair.when("glm-5", content=(answers.Text("from the fallback"),), event_delay=0.06)
    answer = pairs.ask(client, model)
    assert (answer.status, answer.broken) == (200, "")
    assert answer.names[0] == "message_start"
    assert answer.names[-1] == "message_stop"
    assert answer.text == "from the fallback"
    assert answer.headers["x-route-target"] == "zai/glm-5"
    assert answer.headers["x-route-attempts"] == "2"
    used = pair.sim.wait_done(len(pair.sim.requests))[-1]
    assert used.path == "/provider/zai/v1/messages"
    assert used.ended and answer.first < used.time + used.ended, "it came as a stream"
    (line,) = pair.log_of(model)
    assert line.startswith(f"{model}: {pairs.MODELS[f'{kind}-*'].partition('/')[0]}/{model} ")
    assert why in line
    assert line.endswith(" → zai/glm-5")


def test_whole_answers_are_replaced_too(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, status=503)
    answer = pairs.ask(client, model, stream=False)
    assert json.loads(answer.body)["content"][-1]["text"] == "You said: hello"
    assert answer.headers["x-route-target"] == "zai/glm-5"


def test_a_whole_answer_that_is_cut_is_replaced(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, cut_events=0, cut_bytes=20, end="close")
    answer = pairs.ask(client, model, stream=False)
    assert json.loads(answer.body)["content"][-1]["text"] == "You said: hello"
    assert answer.headers["x-route-attempts"] == "2"


def test_a_good_answer_is_the_first_attempts(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    answer = pairs.ask(client, model)
    assert answer.text == "You said: hello"
    assert answer.headers["x-route-target"] == f"anthropic/{model}"
    assert answer.headers["x-route-attempts"] == "1"
    assert len(pair.sim.requests) == 1
    assert not pair.log_of(model)


def test_one_connection_serves_attempts_of_many_requests(
    pair: pairs.Pair, client: httpx.Client
) -> None:
    """Whatever failed before on it, and however."""
    for failure in ({"status": 429}, {"before_head": "reset"}, {"error_at": 0}, {"status": 500}):
        model = pair.model("claude")
        pair.when(model, **failure)
        assert pairs.ask(client, model).text == "You said: hello"
        assert pairs.ask(client, pair.model("claude")).text == "You said: hello"


# What is handed back


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_another_would_refuse_too_is_handed_back(
    pair: pairs.Pair, client: httpx.Client, status: int
) -> None:
    model = pair.model("claude")
    pair.when(model, status=status, message="messages.1: no such thing")
    answer = pairs.ask(client, model)
    assert (answer.status, answer.error["message"]) == (status, "messages.1: no such thing")
    assert answer.headers["x-route-attempts"] == "1"
    assert len(pair.sim.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_the_clients_own_credential_is_its_own_business(
    pair: pairs.Pair, client: httpx.Client, status: int
) -> None:
    model = pair.model("claude")
    pair.when(model, status=status, headers=(("x-should-retry", "false"),))
    answer = pairs.ask(client, model)
    assert answer.status == status
    assert answer.error["message"] == answers.ERRORS[status][1]
    assert answer.headers["x-should-retry"] == "false"
    (request,) = pair.sim.requests
    assert request.credential == proxies.API_KEY


# What the client gets when all fail


def test_all_that_was_tried_is_named(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, before_head="reset")
    pair.when("glm-5", status=529, message="No capacity", headers=(("retry-after", "900"),))
    answer = pairs.ask(client, model)
    assert (answer.status, answer.error["type"]) == (529, "overloaded_error")
    assert re.fullmatch(
        rf"anthropic/{model}: the connection was closed without a response; zai/glm-5: 529, No capacity",
        answer.error["message"],
    )
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["x-route-attempts"] == "2"
    assert answer.headers["x-route-target"] == "zai/glm-5"
    assert len(pair.log_of(model)) == 2


def test_an_unreachable_target_without_a_fallback(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("nobody")
    answer = pairs.ask(client, model)
    assert (answer.status, answer.error["type"]) == (502, "api_error")
    assert answer.error["message"].startswith(f"refused/{model}: ")


def test_a_refused_key_of_ours_asks_nobody_to_log_in(
    pair: pairs.Pair, client: httpx.Client
) -> None:
    pair.when("glm-5", status=401, message="provider-key-0123456789 is no key")
    answer = pairs.ask(client, "glm")
    assert (answer.status, answer.headers["x-should-retry"]) == (424, "false")
    assert "provider-key" not in answer.body.decode()


def test_a_thread_that_would_leave_anthropic_starts_over(
    pair: pairs.Pair, client: httpx.Client
) -> None:
    model = pair.model("claude")
    pair.when(model, status=529)
    answer = pairs.ask(client, model, thread={"type": "continue", "previous_message_id": "msg_1"})
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert answer.error["details"]["error_code"] == "thread_not_found"
    assert len(pair.sim.requests) == 1


# After the first block has begun


CUTS = [
    pytest.param({"cut_events": 3, "end": "reset"}, 3, id="reset"),
    pytest.param({"cut_events": 3, "end": "close"}, 3, id="closed"),
    pytest.param({"cut_events": 3}, 3, id="ended early"),
    pytest.param({"cut_events": 3, "cut_bytes": 30, "end": "reset"}, 3, id="half an event"),
    pytest.param({"cut_events": 3, "cut_bytes": 30}, 3, id="half an event, ended"),
    pytest.param({"cut_events": 3, "end": "hang"}, 3, id="silent"),
    pytest.param({"cut_events": 3, "encoding": "gzip", "end": "reset"}, 3, id="compressed"),
    pytest.param({"cut_events": 3, "chunk_size": 7, "end": "close"}, 3, id="small pieces"),
]


@pytest.mark.parametrize(("delivery", "whole"), CUTS)
def test_a_provider_that_dies_in_its_answer(
    pair: pairs.Pair, client: httpx.Client, delivery: dict[str, Any], whole: int
) -> None:
    model = pair.model("hasty")
    pair.when(model, **delivery)
    answer = pairs.ask(client, model)
    assert (answer.status, answer.broken) == (200, "")
    assert len(answer.events) == whole + 1
    assert answer.names[0] == "message_start"
    last = answer.events[-1]
    assert last.name == "error"
    assert json.loads(last.data)["error"]["type"] == "api_error"
    assert len(pair.sim.requests) == 1, "nothing is sent again"
    assert answer.headers["x-route-attempts"] == "1"


def test_a_character_cut_in_two_never_arrives(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    text = answers.Text("naïve, 考え")
    pair.when(model, content=(text,), delta_size=3, cut_character=True, end="reset")
    answer = pairs.ask(client, model)
    answer.body.decode()
    assert answer.names[-1] == "error"


@pytest.mark.parametrize(
    ("end", "chunk_size"), [("reset", 0), ("close", 0), ("hang", 0), ("hang", 100_000)]
)
def test_an_answer_that_was_complete_when_its_provider_died(
    pair: pairs.Pair, client: httpx.Client, end: str, chunk_size: int
) -> None:
    model = pair.model("claude")
    pair.when(model, end=end, chunk_size=chunk_size)
    answer = pairs.ask(client, model)
    assert (answer.names[-1], answer.broken) == ("message_stop", "")
    assert answer.text == "You said: hello"


def test_a_missing_last_event_is_made_up(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, drop=("message_stop",))
    assert pairs.ask(client, model).names[-2:] == ["message_delta", "message_stop"]


def test_an_error_in_the_middle_is_the_end(pair: pairs.Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, error_at=4, error="api_error", end="hang")
    answer = pairs.ask(client, model)
    assert (answer.names[-1], answer.broken) == ("error", "")
    assert answer.names.count("error") == 1


def test_a_target_that_failed_three_times_is_passed_over(pair: pairs.Pair) -> None:
    model = pair.model("claude")
    pair.when(model, status=503)
    with pair.reverse() as client:
        attempts = [pairs.ask(client, model).headers["x-route-attempts"] for _ in range(4)]
    assert attempts == ["2", "2", "2", "1"]


def test_a_failing_target_without_a_fallback_is_still_asked(pair: pairs.Pair) -> None:
    model = pair.model("alone")
    pair.when(model, status=503)
    with pair.reverse() as client:
        assert [pairs.ask(client, model).status for _ in range(5)] == [503] * 5
    assert len(pair.sim.requests) == 5
