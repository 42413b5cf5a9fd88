from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route import responses
from claude_route.access import clients
from claude_route.access import identity
from claude_route.access import live_secrets
from claude_route.dialects import usage
from claude_route.profile import profiles
from claude_route.proxy import accounting
from claude_route.proxy import contract
from claude_route.proxy import records
from claude_route.routing import failures
from tests.clocks import Clock
from tests.unit import flows
from tests.unit import states
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
USED = usage.Usage(input=1000, output=200, cache_read=5000)


class Books:
    def __init__(self) -> None:
        self.clock = Clock()
        in_force = states.state_of(PROFILE)
        self.records: list[records.Record] = []
        self.addon = accounting.Accounting(
            lambda: in_force, self.clock, [lambda record, _: self.records.append(record)]
        )

    @property
    def record(self) -> records.Record:
        (record,) = self.records
        return record


@pytest.fixture
def books() -> Books:
    return Books()


def asked(**changes: Any) -> contract.RoutedRequest:
    flow = tflow.tflow(req=http.Request.make("POST", "http://x/v1/messages", b"x" * 400))
    request = contract.RoutedRequest(
        flow,
        "glm",
        "session-1",
        counts_tokens=False,
        client=clients.Client("alice", "header"),
        weigh=lambda: 100,
        identity=identity.Identity("session-1", "agent-1", trace="00-aa-bb-01"),
    )
    return dataclasses.replace(request, **changes)


def test_an_answer_after_a_failover(books: Books) -> None:
    request, addon = asked(), books.addon
    request.flow.request.timestamp_start = books.clock.now - 0.5
    addon.began(request)
    first = flows.attempt("anthropic/claude-opus-5-5", number=1, place=2)
    addon.tries(request, first)
    second = flows.attempt("zai/glm-5", number=2)
    addon.failed(
        request,
        dataclasses.replace(flows.failed_attempt(status=529, then=second), attempt=first),
    )
    addon.tries(request, second)
    books.clock.now += 2
    addon.committed(request, second, flows.Progress(USED, 200))
    books.clock.now += 3
    addon.closed(request, USED, None)
    record = books.record
    assert (record.client, record.session, record.agent) == ("alice", "session-1", "agent-1")
    assert (record.kind, record.model, record.target, record.token) == (
        *("message", "glm", "zai/glm-5"),
        None,
    )
    assert (record.usage, record.is_estimated) == (USED, False)
    assert record.cost.dollars == pytest.approx((1000 * 1 + 200 * 3.2 + 5000 * 0.2) / 1e6)
    assert (record.status, record.error, record.attempts) == (200, "", 2)
    assert (record.first_byte, record.duration) == (2, 5)
    assert record.failures == (records.Failure("anthropic/claude-opus-5-5", "529", "zai/glm-5"),)
    assert record.trace == "00-aa-bb-01"


@pytest.mark.parametrize(
    ("reported", "progress", "used", "is_estimated"),
    [
        # What the provider said is what counts.
        (USED, flows.Progress(USED, 200), USED, False),
        # The client left: the start of the stream says the input, the bytes so far the output.
        (
            usage.Usage(input=1000, output=1),
            flows.Progress(None, 37, complete=False),
            usage.Usage(input=1000, output=37),
            True,
        ),
        (usage.Usage(1000), flows.Progress(None, 0, complete=False), usage.Usage(1000), True),
        # A provider that says nothing.
        (None, flows.Progress(None, 12), usage.Usage(input=100, output=12), True),
        (usage.NONE, flows.Progress(None, 12), usage.Usage(input=100, output=12), True),
        # The client left before there was anything, or when only the start of a stream had come.
        (None, None, usage.Usage(input=100), True),
        (usage.Usage(cache_read=1000, output=1), None, usage.Usage(0, 1, 1000), True),
    ],
)
def test_spent(
    reported: usage.Usage | None,
    progress: flows.Progress | None,
    used: usage.Usage,
    is_estimated: bool,
) -> None:
    assert accounting.spent(asked(), reported, progress) == (used, is_estimated)


def test_an_abandoned_stream_is_charged(books: Books) -> None:
    request, addon = asked(), books.addon
    addon.began(request)
    addon.tries(request, flows.attempt())
    addon.committed(request, flows.attempt(), flows.Progress(None, 50, complete=False))
    addon.closed(request, None, "Client disconnected.")
    assert books.record.error == "client left"
    assert books.record.is_estimated
    assert books.record.cost.charged == pytest.approx((100 * 1 + 50 * 3.2) / 1e6)


@pytest.mark.parametrize(
    ("attempts", "used"),
    [("none", usage.NONE), ("failed", usage.NONE), ("under way", usage.Usage(input=100))],
)
def test_a_client_that_leaves_before_there_is_anything(
    books: Books, attempts: str, used: usage.Usage
) -> None:
    """What is under way costs its prompt, as the client's budget has it."""
    request, addon = asked(), books.addon
    addon.began(request)
    if attempts != "none":
        addon.tries(request, flows.attempt())
    if attempts == "failed":
        addon.failed(request, flows.failed_attempt(failures.Kind.TIMEOUT))
    addon.closed(request, None, "Client disconnected.")
    assert (books.record.status, books.record.error) == (0, "client left")
    assert (books.record.usage, books.record.is_estimated) == (used, bool(used.input))
    assert books.record.cost.charged == pytest.approx(used.input / 1e6)
    assert books.record.first_byte is None


def test_an_interrupted_stream(books: Books) -> None:
    request, addon = asked(), books.addon
    addon.began(request)
    addon.tries(request, flows.attempt())
    addon.committed(request, flows.attempt(), flows.Progress(None, 50, complete=False))
    addon.interrupted(request, flows.attempt(), "silent for 300 s")
    addon.closed(request, usage.Usage(10, 1), "silent for 300 s")
    assert (books.record.status, books.record.error) == (200, "interrupted")


@pytest.mark.parametrize(("is_open", "status"), [(False, 529), (True, 200)])
def test_all_attempts_fail(books: Books, is_open: bool, status: int) -> None:
    request, addon = asked(), books.addon
    addon.began(request)
    addon.tries(request, flows.attempt())
    if is_open:
        addon.opened(request)
    addon.failed(request, flows.failed_attempt(failures.Kind.TIMEOUT))
    addon.answered(request, responses.error(529, "Overloaded, as 'secret words' say"))
    addon.closed(request, None, None)
    assert (books.record.status, books.record.error) == (status, "overloaded_error")
    assert books.record.failures[0].reason == "timeout"
    assert books.record.cost == records.FREE
    assert "secret words" not in str(books.record)


def test_a_count_costs_nothing(books: Books) -> None:
    request, addon = asked(counts_tokens=True), books.addon
    addon.began(request)
    addon.tries(request, flows.attempt())
    addon.committed(request, flows.attempt(), flows.Progress(usage.Usage(input=7)))
    addon.closed(request, usage.Usage(input=7), None)
    assert (books.record.kind, books.record.usage) == ("count", usage.NONE)
    assert (books.record.cost, books.record.error) == (records.FREE, "")


def test_an_estimate_of_ours(books: Books) -> None:
    request, addon = asked(counts_tokens=True), books.addon
    addon.began(request)
    addon.answered(request, responses.json({"input_tokens": 7}))
    addon.closed(request, None, None)
    assert (books.record.status, books.record.target, books.record.attempts) == (200, "", 0)


def test_a_check(books: Books) -> None:
    request = asked(check="proxy")
    books.addon.began(request)
    books.addon.closed(request, None, None)
    assert books.record.kind == "check"


def test_a_rejected_request(books: Books) -> None:
    flow = tflow.tflow()
    flow.request.timestamp_start = books.clock.now - 1
    rejected = contract.Rejected(
        flow, None, responses.error(404, "no such model"), "claude-route/x\x00", True
    )
    books.addon.rejected(rejected)
    record = books.record
    assert (record.client, record.model, record.kind) == ("", "x�", "count")
    assert (record.status, record.error, record.duration) == (404, "not_found_error", 1)


def test_no_secret_is_recorded(books: Books) -> None:
    """A provider may repeat its key as the type of an error, in a stream too."""
    secret = "sk-zai-MARKED-record-0123456789"
    live_secrets.keep([secret])
    request, attempt = asked(model=f"glm {secret}"), flows.attempt("zai/glm-5", number=1)
    books.addon.began(request)
    books.addon.tries(request, attempt)
    progress = flows.Progress(USED, 200)
    progress.error = secret
    books.addon.committed(request, attempt, progress)
    books.addon.closed(request, USED, None)
    assert secret not in repr(books.record)
    assert (books.record.model, books.record.error) == ("glm [redacted]", "[redacted]")


def test_a_listener_that_raises_stops_no_other(books: Books) -> None:
    def fail(record: records.Record, request: contract.RoutedRequest | None) -> None:
        raise RuntimeError

    books.addon.listeners = [fail, *books.addon.listeners]
    request = asked()
    books.addon.began(request)
    books.addon.closed(request, None, None)
    assert books.record.status == 0


def test_ids_are_in_order_of_time_and_each_its_own() -> None:
    assert accounting.new_id(1000.0) < accounting.new_id(1000.1) < accounting.new_id(2e9)
    assert accounting.new_id(1000.0) != accounting.new_id(1000.0)
