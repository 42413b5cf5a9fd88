from __future__ import annotations

import pytest

from claude_route.routing import stats
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock: Clock) -> stats.Stats:
    return stats.Stats(clock)


def ask(counts: stats.Stats, model: str = "opus", target: str = "zai/glm-5") -> None:
    tally = counts.request(model)
    tally.answered(target)
    tally.closed()


def test_a_request_with_a_failed_attempt(counts: stats.Stats, clock: Clock) -> None:
    tally = counts.request("opus")
    assert counts.in_flight() == 1
    clock.now += 0.5
    tally.attempt_failed("anthropic/opus", "529")
    failed_at = clock.now
    clock.now += 1.5
    tally.answered("zai/glm-5")
    clock.now += 10
    tally.used(26_000, 700, cached=21_000)
    tally.closed()
    assert counts.in_flight() == 0
    assert counts.models() == [
        stats.Model(
            name="opus",
            requests=1,
            errors=0,
            per_minute=1.0,
            first_byte=stats.Times(half=2.0, most=2.0, of=1),
            tokens_in=26_000,
            tokens_cached=21_000,
            tokens_out=700,
        )
    ]
    assert counts.targets() == [
        stats.Target("anthropic/opus", 1, 1, "529", failed_at, 0.0),
        stats.Target("zai/glm-5", 1, 0, "", 0.0, failed_at + 1.5),
    ]


def test_a_request_that_ends_in_an_error(counts: stats.Stats) -> None:
    tally = counts.request("opus")
    tally.attempt_failed("anthropic/opus", "503")
    tally.refused()
    tally.refused()
    tally.closed()
    [row] = counts.models()
    assert (row.requests, row.errors, row.first_byte) == (1, 1, None)


def test_a_request_that_is_wrong_is_no_fault_of_the_target(counts: stats.Stats) -> None:
    tally = counts.request("opus")
    tally.attempt_failed("anthropic/opus", "400", is_at_fault=False)
    tally.refused()
    [row] = counts.targets()
    assert (row.attempts, row.failures, row.last_error) == (1, 0, "")
    assert row.answered_at == counts.clock()
    assert counts.models()[0].errors == 1


def test_an_answer_that_breaks_off(counts: stats.Stats) -> None:
    tally = counts.request("opus")
    tally.answered("anthropic/opus")
    tally.interrupted("silent for 300 s")
    tally.closed()
    [row] = counts.targets()
    assert (row.attempts, row.failures, row.last_error) == (1, 1, "silent for 300 s")
    assert counts.models()[0].errors == 1


def test_reports_after_the_end_are_ignored(counts: stats.Stats) -> None:
    tally = counts.request("opus")
    tally.closed()
    tally.closed()
    tally.answered("zai/glm-5")
    tally.attempt_failed("zai/glm-5", "500")
    tally.refused()
    tally.used(1, 1)
    assert counts.in_flight() == 0
    assert counts.targets() == []
    [row] = counts.models()
    assert (row.requests, row.errors, row.tokens_in) == (1, 0, 0)


def test_a_count_of_tokens_counts_for_targets_only(counts: stats.Stats) -> None:
    tally = counts.request("opus", counted=False)
    tally.attempt_failed("anthropic/opus", "529")
    tally.answered("zai/glm-5")
    tally.used(1, 1)
    tally.refused()
    tally.closed()
    assert counts.models() == []
    assert counts.in_flight() == 0
    assert [row.attempts for row in counts.targets()] == [1, 1]


@pytest.mark.parametrize(
    "after,per_minute",
    [
        pytest.param(0, 60.0, id="as if it had run for a minute"),
        pytest.param(60, 60.0, id="a minute"),
        pytest.param(150, 24.0, id="since the start"),
        pytest.param(280, 60 * 60 / 280, id="nearly all of the window"),
        pytest.param(310, 0.0, id="over"),
        pytest.param(100_000, 0.0, id="long over"),
    ],
)
def test_rate(counts: stats.Stats, clock: Clock, after: float, per_minute: float) -> None:
    for _ in range(60):
        ask(counts)
    clock.now += after
    assert counts.models()[0].per_minute == pytest.approx(per_minute)


def test_rate_of_a_steady_stream(counts: stats.Stats, clock: Clock) -> None:
    for _ in range(200):
        ask(counts)
        clock.now += 5
    assert counts.models()[0].per_minute == pytest.approx(12, abs=0.5)


def test_rate_when_the_clock_is_set_back(counts: stats.Stats, clock: Clock) -> None:
    ask(counts)
    clock.now -= 3600
    ask(counts)
    assert counts.models()[0].per_minute == 2.0


@pytest.mark.parametrize(
    "samples,half,most",
    [
        ([3.0], 3.0, 3.0),
        ([1.0, 9.0], 1.0, 9.0),
        ([float(n) for n in range(100, 0, -1)], 50.0, 95.0),
        ([1.0] * 94 + [7.0] * 6, 1.0, 7.0),
        ([1.0] * 95 + [7.0] * 5, 1.0, 1.0),
    ],
)
def test_times(samples: list[float], half: float, most: float) -> None:
    assert stats.times(samples) == stats.Times(half, most, len(samples))


def test_no_times() -> None:
    assert stats.times([]) is None


def test_times_are_of_the_latest_answers(counts: stats.Stats, clock: Clock) -> None:
    for seconds in [9.0] * 100 + [1.0] * stats.SAMPLES:
        tally = counts.request("opus")
        clock.now += seconds
        tally.answered("zai/glm-5")
    assert counts.models()[0].first_byte == stats.Times(1.0, 1.0, stats.SAMPLES)


def test_names_that_clients_make_up_become_one_row(counts: stats.Stats) -> None:
    ask(counts, "kept")
    for number in range(3 * stats.MAX_NAMES):
        ask(counts, f"model-{number}", f"zai/model-{number}")
        ask(counts, "kept")
    rows = counts.models()
    assert len(rows) == stats.MAX_NAMES + 1
    assert rows[0].name == "kept"
    assert rows[0].requests == 3 * stats.MAX_NAMES + 1
    assert rows[-1].name == stats.OTHERS
    assert sum(row.requests for row in rows) == 6 * stats.MAX_NAMES + 1
    targets = counts.targets()
    assert len(targets) == stats.MAX_NAMES + 1
    assert sum(row.attempts for row in targets) == 6 * stats.MAX_NAMES + 1


def test_what_each_client_has_asked(counts: stats.Stats, clock: Clock) -> None:
    for client, model, seconds in (("alice", "opus", 1), ("bob", "opus", 3), ("bob", "glm", 5)):
        tally = counts.request(model, client)
        clock.now += seconds
        tally.answered("zai/glm-5")
        tally.used(100 * seconds, seconds, cached=50)
        if client == "alice":
            tally.closed()
    counts.request("sonnet", "alice", is_check=True).refused()
    assert [(row.name, row.requests) for row in counts.models("alice")] == [("opus", 1)]
    assert [(row.name, row.errors) for row in counts.checks("alice")] == [("sonnet", 1)]
    assert counts.checks("bob") == counts.models("carol") == counts.models("") == []
    assert [counts.in_flight(name) for name in ("alice", "bob", "carol", None)] == [1, 2, 0, 3]
    opus, glm = counts.models()
    assert (opus.name, opus.requests, opus.tokens_in, opus.tokens_cached) == ("opus", 2, 400, 100)
    assert opus.tokens_out == 4
    assert opus.per_minute == 2
    assert opus.first_byte == stats.Times(1.0, 3.0, 2)
    assert (glm.name, glm.requests) == ("glm", 1)


def test_names_that_one_client_makes_up_take_nobody_elses_row(counts: stats.Stats) -> None:
    ask(counts, "glm")
    for client in ("alice", "bob"):
        for number in range(2 * stats.MAX_NAMES):
            counts.request(f"{client}-{number}", client).closed()
    assert [row.name for row in counts.models("")] == ["glm"]
    rows = counts.models()
    assert len(rows) == stats.MAX_NAMES + 1
    assert rows[-1].name == stats.OTHERS
    assert sum(row.requests for row in rows) == 4 * stats.MAX_NAMES + 1


def test_others_keep_the_latest_error(counts: stats.Stats, clock: Clock) -> None:
    for number in range(2 * stats.MAX_NAMES):
        clock.now += 1
        counts.request("opus").attempt_failed(f"zai/model-{number}", f"error {number}")
    others = next(row for row in counts.targets() if row.name == stats.OTHERS)
    assert others.failures == stats.MAX_NAMES
    assert others.last_error == f"error {stats.MAX_NAMES - 1}"


@pytest.mark.parametrize(
    "name,shown",
    [
        ("x" * 500, "x" * (stats.MAX_NAME - 1) + "…"),
        ("x" * stats.MAX_NAME, "x" * stats.MAX_NAME),
        ("\ud83e", "?"),
    ],
)
def test_names_are_fit_to_be_shown(counts: stats.Stats, name: str, shown: str) -> None:
    ask(counts, name, name)
    assert counts.models()[0].name == counts.targets()[0].name == shown


def test_order_of_models(counts: stats.Stats) -> None:
    for model, times in (("b", 1), ("c", 3), ("a", 1)):
        for _ in range(times):
            ask(counts, model)
    assert [row.name for row in counts.models()] == ["c", "a", "b"]


def test_checks_of_tool_calls_are_counted_apart(counts: stats.Stats) -> None:
    tally = counts.request("sonnet", is_check=True)
    tally.answered("anthropic/sonnet")
    tally.used(100, 5, cached=90)
    tally.closed()
    ask(counts)
    assert [row.name for row in counts.models()] == ["opus"]
    (row,) = counts.checks()
    assert (row.name, row.requests, row.errors) == ("sonnet", 1, 0)
    assert (row.tokens_in, row.tokens_cached, row.tokens_out) == (100, 90, 5)
    failed = counts.request("sonnet", is_check=True)
    failed.refused()
    failed.closed()
    assert counts.checks()[0].errors == 1
    assert counts.in_flight() == 0
