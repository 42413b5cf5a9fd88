from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy import http
from mitmproxy.test import taddons

from claude_route.access import clients
from claude_route.access import identity
from claude_route.access import live_secrets
from claude_route.dialects import usage
from claude_route.profile import profiles
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.sessions import book
from claude_route.sessions import report
from claude_route.sessions import search
from claude_route.sessions import tree
from claude_route.sessions import turns
from claude_route.watch import failed_attempts
from claude_route.watch import labels
from claude_route.watch import prices
from claude_route.watch import recorder
from tests.unit import flows
from tests.unit import states
from tests.wire import proxies

SENDER = identity.Identity("s1", "a1", "a0", "r1")
STATE = states.state_of(profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml"))
PRICES = prices.Prices(lambda: STATE)


class Progress:
    usage = usage.Usage(input=1000, output=100)
    output = 100
    complete = True
    error = ""


def recording(**fields: Any) -> recorder.Recorder:
    return recorder.Recorder(PRICES, book.Book(dollars=PRICES), **fields)


def asked(flow: http.HTTPFlow, **changes: Any) -> contract.RoutedRequest:
    client = clients.Client("ann", "header")
    values: dict[str, Any] = {"client": client, "identity": SENDER, "session": "s1"} | changes
    return dataclasses.replace(flows.routed(flow), **values)


def only(recorded: recorder.Recorder) -> turns.Turn:
    (session,) = recorded.book.sessions()
    (turn,) = session.turns
    return turn


def answered(flow: http.HTTPFlow, recorded: recorder.Recorder, **changes: Any) -> turns.Turn:
    request = asked(flow, **changes)
    tried = flows.attempt("zai/glm-5", token="token 1 …abcd", passed_over=("token 2 rests 29 s",))
    recorded.began(request)
    recorded.tries(request, tried)
    recorded.committed(request, tried, Progress())
    recorded.closed(request, Progress.usage, None)
    recorded.response(flow)
    return only(recorded)


def test_a_turn_has_what_the_exchange_reports() -> None:
    turn = answered(flows.exchange(), recording())
    assert (turn.session, turn.client, turn.agent, turn.parent) == ("s1", "ann", "a1", "a0")
    assert (turn.model, turn.target, turn.token) == (
        "claude-opus-5-5",
        "zai/glm-5",
        "token 1 …abcd",
    )
    assert turn.passed_over == (turns.PassedOver("token 2", "rests 29 s"),)
    assert turn.used == Progress.usage
    assert turn.cost is not None
    assert turn.at == 1000.0
    assert turn.first_byte == pytest.approx(0.8)
    assert turn.seconds == pytest.approx(4.1)
    assert turn.blocks
    assert turn.text.startswith("Let me")


def test_requests_are_running_until_they_end() -> None:
    recorded, flow = recording(), flows.exchange()
    recorded.began(asked(flow))
    other = flows.exchange()
    answered_sessions: list[tree.Session] = recorded.book.sessions()
    assert answered_sessions == []
    answered(other, recorded)
    assert recorded.book.sessions()[0].running == 1


def test_what_is_asked_is_known_before_it_is_answered() -> None:
    """Where the row has it: elsewhere nobody reads the request before it ends."""
    recorded, flow = recording(), flows.exchange()
    flow.metadata |= labels.Labels(prompt="explain the shop").to_metadata()
    recorded.began(asked(flow))
    (session,) = recorded.book.sessions(begun=True)
    assert session.title == "explain the shop"


def test_failed_attempts_belong_to_their_turn() -> None:
    recorded, flow = recording(), flows.exchange()
    with taddons.context():
        request = asked(flow)
        recorded.began(request)
        observer = failed_attempts.FailedAttempts(recorded.failed_attempt)
        observer.failed(
            request,
            flows.failed_attempt(status=529, then=flows.attempt("kimi/k", number=2), number=1),
        )
        recorded.committed(request, flows.attempt("kimi/k"), Progress())
        recorded.response(flow)
    (failed,) = only(recorded).failed
    assert (failed.target, failed.why, failed.then) == ("zai/glm-5", "529", "kimi/k")
    assert failed.flow


def test_the_only_attempt_is_the_turns_error() -> None:
    recorded, flow = recording(), flows.exchange()
    flow.response = http.Response.make(529, b'{"error":{"type":"overloaded_error"}}')
    request = asked(flow)
    recorded.began(request)
    tried = flows.failed_attempt(kind=failures.Kind.STATUS, status=529, number=1)
    recorded.tries(request, tried.attempt)
    failed_attempts.FailedAttempts(recorded.failed_attempt).failed(request, tried)
    recorded.response(flow)
    turn = only(recorded)
    assert turn.error.startswith("529")
    assert [(failed.target, failed.flow) for failed in turn.failed] == [("zai/glm-5", "")]
    assert (turn.target, turn.cost) == ("", None)


def test_a_flow_from_a_file_has_its_labels() -> None:
    recorded = recording()
    flow = flows.exchange(
        route_model="claude-opus-5-5",
        route_target="anthropic/claude-opus-5-5",
        route_token="token 1 …abcd",
        route_passed_over="token 2 rests 29 s, zai/glm-5 keeps failing",
        route_state="complete",
    )
    assert flow.response
    flow.request.headers["x-claude-code-session-id"] = "s9"
    failed = flows.exchange(
        route_attempt_of=flow.id, route_target="zai/glm-5", route_why="529", route_then="token 1"
    )
    recorded.response(failed)
    recorded.response(flow)
    turn = only(recorded)
    assert (turn.session, turn.target, turn.token) == (
        "s9",
        "anthropic/claude-opus-5-5",
        "token 1 …abcd",
    )
    assert [passed.target for passed in turn.passed_over] == ["token 2", "zai/glm-5"]
    assert [(each.why, each.then, each.flow) for each in turn.failed] == [
        ("529", "token 1", failed.id)
    ]
    assert turn.used is not None


def test_without_the_answers_body_the_labels_have_the_tokens() -> None:
    recorded = recording()
    flow = flows.exchange(route_tokens_in=100, route_tokens_cached=80, route_tokens_out=7)
    assert flow.response
    flow.response.content = b""
    recorded.response(flow)
    assert only(recorded).used == usage.Usage(20, 7, 80)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_what_was_not_admitted_is_no_turn(status: int) -> None:
    recorded, flow = recording(), flows.exchange()
    flow.response = http.Response.make(status)
    recorded.response(flow)
    assert recorded.book.sessions() == []


def test_what_was_too_large_to_be_read_is_not_read_for_a_turn() -> None:
    read, refused = recording(), flows.exchange()
    refused.response = http.Response.make(413)
    read.response(refused)
    assert (only(read).blocks, only(read).size) == ((), 0)
    by_a_provider = recording()
    assert answered(refused, by_a_provider).blocks


def test_other_paths_are_no_turns() -> None:
    recorded = recording()
    recorded.response(flows.exchange("/v1/models"))
    recorded.error(flows.exchange("/api/hello"))
    assert len(recorded.book) == 0


def test_a_check_of_our_own_never_reaches_a_hook() -> None:
    recorded, flow = recording(), flows.exchange()
    request = asked(flow, check="proxy")
    recorded.began(request)
    recorded.committed(request, flows.attempt(), Progress())
    recorded.closed(request, None, None)
    turn = only(recorded)
    assert (turn.kind, turn.check) == ("classifier", "proxy")


async def test_the_option() -> None:
    recorded = recording()
    with taddons.context(recorded) as tctx:
        tctx.configure(recorded, keep_turns=0)
        recorded.response(flows.exchange())
        recorded.began(asked(flows.exchange()))
        assert len(recorded.book) == 0
        with pytest.raises(exceptions.OptionsError, match="keep_turns: expected 0 or a positive"):
            tctx.configure(recorded, keep_turns=-1)


def test_the_request_is_what_the_client_sent() -> None:
    flow = flows.exchange(
        request=json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    )
    assert answered(flow, recording()).prompt == "hi"


SECRET = "key-of-the-operator-0123456789"


@pytest.mark.parametrize("words", [SECRET, f"x {SECRET} y", f'a\u00e9 "{SECRET}"'])
def test_a_secret_is_in_no_summary(words: str) -> None:
    live_secrets.keep([SECRET])
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": words},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "t",
                    "name": "Agent",
                    "input": {"prompt": words, "description": words},
                }
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": words},
                {"type": "text", "text": words},
            ],
        },
    ]
    body = {"messages": messages, "system": words, "tools": [{"name": "x", "description": words}]}
    answer = {
        **flows.MESSAGE,
        "content": [{"type": "text", "text": words}, *messages[1]["content"]],
    }
    flow = flows.exchange(
        request=json.dumps(body).encode(),
        answer=json.dumps(answer).encode(),
        answered_with="application/json",
    )
    recorded = recording()
    turn = answered(flow, recorded)
    assert turn.calls[0].agent
    assert SECRET not in repr(turn) + search.unpack(turn.words)
    assert SECRET not in json.dumps(report.whole(recorded.book.sessions()[0]))


def test_a_copy_is_kept_apart_from_the_turns() -> None:
    recorded, flow, copy = recording(), flows.exchange(), flows.exchange()
    answered(flow, recorded)
    copy.metadata |= labels.Labels(compares=flow.id).to_metadata()
    recorded.began(asked(copy))
    assert recorded.book.sessions()[0].running == 0
    answered(copy, recorded)
    (session,) = recorded.book.sessions()
    assert [each.flow for each in session.turns] == [flow.id]
    assert [each.turn.flow for each in session.entries[0].copies] == [copy.id]
