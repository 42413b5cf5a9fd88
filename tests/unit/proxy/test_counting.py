from __future__ import annotations

import dataclasses
import gc

import pytest
from mitmproxy.test import tflow

from claude_route.dialects import usage
from claude_route.profile import profiles
from claude_route.proxy import counting
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import failures as failure_kinds
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from claude_route.routing import verdict
from tests.clocks import Clock
from tests.unit.flows import ALICE
from tests.unit.flows import Progress
from tests.unit.flows import attempt
from tests.unit.flows import failed_attempt
from tests.unit.flows import routed

USED = usage.Usage(input=7, output=42, cache_read=100)


CLOCK = Clock()


@pytest.fixture
def shared() -> state.State:
    text = "providers: {a: {base_url: http://a}}\nmodels: {m: a/m}"
    return state.State(
        profiles.parse(text, {}, "p.yaml"),
        rotation.Pool(clock=CLOCK),
        breaker.Breaker(CLOCK),
        stats.Stats(CLOCK),
        lessons.Lessons(CLOCK),
    )


@pytest.fixture
def counts(shared: state.State) -> stats.Stats:
    return shared.stats


@pytest.fixture
def addon(shared: state.State) -> counting.Counting:
    return counting.Counting(lambda: shared)


def test_an_answer_after_a_failed_attempt(addon: counting.Counting, counts: stats.Stats) -> None:
    request = routed(tflow.tflow(), "opus")
    addon.began(request)
    assert counts.in_flight() == 1
    addon.failed(request, failed_attempt(target="anthropic/opus", then=attempt()))
    addon.committed(request, attempt(), Progress())
    addon.closed(request, USED, None)
    assert counts.in_flight() == 0
    (model,) = counts.models()
    assert (model.requests, model.errors) == (1, 0)
    assert (model.tokens_in, model.tokens_cached, model.tokens_out) == (107, 100, 42)
    failed, answered = counts.targets()
    assert (failed.name, failed.failures, failed.last_error) == ("anthropic/opus", 1, "429")
    assert (answered.name, answered.attempts, answered.failures) == ("zai/glm-5", 1, 0)


def test_a_request_that_is_wrong_is_no_fault_of_the_target(
    addon: counting.Counting, counts: stats.Stats
) -> None:
    request = routed(tflow.tflow())
    addon.began(request)
    addon.failed(request, failed_attempt(status=400, cause="request"))
    addon.refused(request, attempt())
    addon.closed(request, None, None)
    assert counts.models()[0].errors == 1
    assert counts.targets()[0].failures == 0


def test_an_answer_that_breaks_off(addon: counting.Counting, counts: stats.Stats) -> None:
    request = routed(tflow.tflow())
    addon.began(request)
    addon.committed(request, attempt(), Progress())
    addon.interrupted(request, attempt(), "gone")
    addon.closed(request, USED, "gone")
    assert counts.models()[0].errors == 1
    assert counts.models()[0].tokens_out == 42
    assert counts.targets()[0].last_error == "gone"


def test_a_count_of_tokens_is_no_request_for_a_model(
    addon: counting.Counting, counts: stats.Stats
) -> None:
    request = routed(tflow.tflow(), counts_tokens=True)
    addon.began(request)
    addon.committed(request, attempt(), Progress())
    addon.closed(request, USED, None)
    assert counts.models() == []
    assert counts.targets()[0].attempts == 1


def test_a_request_that_is_gone_is_forgotten(addon: counting.Counting) -> None:
    addon.began(routed(tflow.tflow()))
    gc.collect()
    assert not addon._tallies


@pytest.mark.parametrize(("status", "failures"), [(401, 0), (402, 0), (403, 0), (529, 1)])
def test_a_clients_own_login_is_no_fault_of_the_target(
    addon: counting.Counting, counts: stats.Stats, status: int, failures: int
) -> None:
    request = routed(tflow.tflow())
    addon.began(request)
    outcome = verdict.Outcome("a/m", "client", True, failure_kinds.Kind.STATUS, status=status)
    failed = dataclasses.replace(
        failed_attempt(status=status), outcome=outcome, cause=verdict.judge(outcome).cause
    )
    addon.failed(request, failed)
    assert counts.targets()[0].failures == failures


def test_requests_are_counted_for_their_client(
    addon: counting.Counting, counts: stats.Stats
) -> None:
    for client in (None, ALICE):
        addon.began(routed(tflow.tflow(), "opus", client=client))
    assert [counts.in_flight(name) for name in ("", "alice", None)] == [1, 1, 2]


def test_a_check_of_a_tool_call_is_counted_apart(
    addon: counting.Counting, counts: stats.Stats
) -> None:
    request = dataclasses.replace(routed(tflow.tflow(), "sonnet"), check="client")
    addon.began(request)
    addon.committed(request, attempt(), Progress())
    addon.closed(request, USED, None)
    assert counts.models() == []
    assert [(row.name, row.requests) for row in counts.checks()] == [("sonnet", 1)]
