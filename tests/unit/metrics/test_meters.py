from __future__ import annotations

import gc

import pytest
from mitmproxy.test import tflow
from prometheus_client import parser

from claude_route.dialects import usage
from claude_route.metrics import meters
from claude_route.pricing import prices
from claude_route.profile import profiles
from claude_route.proxy import records
from claude_route.routing import budgets
from tests.unit import flows
from tests.unit import states
from tests.unit.ledger.examples import record
from tests.wire import proxies

PROFILE = profiles.parse(
    str(proxies.profile("http://127.0.0.1:1", pool={"tokens": ",".join(proxies.POOL[:2])})),
    {},
    "p.yaml",
)


@pytest.fixture
def made() -> meters.Meters:
    in_force = states.state_of(PROFILE)
    return meters.Meters(
        lambda: in_force,
        limits=lambda: {"head_size": 3},
        ledger_waiting=lambda: 7,
        idle_connections=lambda: 2,
    )


def value(made: meters.Meters, name: str, **labels: str) -> float | None:
    for family in parser.text_string_to_metric_families(made.text().decode()):
        for sample in family.samples:
            if sample.name == f"claude_route_{name}" and sample.labels == labels:
                return float(sample.value)
    return None


def test_an_answer(made: meters.Meters) -> None:
    made.take(record(), None)
    target = {"target": "zai/glm-5"}
    model = {"model": "glm", **target}
    assert value(made, "requests_total", **model, status="200", kind="message") == 1
    assert value(made, "attempts_total", **target, outcome="answered") == 1
    kinds = ("input", "output", "cache_read", "cache_write")
    assert [value(made, "tokens_total", **model, type=kind) for kind in kinds] == [10, 20, 30, 40]
    costs = [value(made, "cost_dollars_total", **model, type=kind) for kind in kinds]
    assert costs == pytest.approx([10e-6, 40e-6, 3e-6, 53.75e-6])
    assert value(made, "time_to_first_byte_seconds_count", **target) == 1
    assert value(made, "request_duration_seconds_sum", **target) == 2


def test_a_failover(made: meters.Meters) -> None:
    failed = records.Failure("anthropic/claude-x", "529", "zai/glm-5")
    last = records.Failure("zai/glm-5", "timeout", "")
    made.take(record(failures=(failed,), attempts=2), None)
    made.take(
        record(failures=(failed, last), attempts=2, status=529, error="x", first_byte=None), None
    )
    assert value(made, "attempts_total", target="anthropic/*", outcome="529") == 2
    assert value(made, "attempts_total", target="zai/glm-5", outcome="timeout") == 1
    assert value(made, "attempts_total", target="zai/glm-5", outcome="answered") == 1
    assert value(made, "failovers_total", target="anthropic/*", then="zai/glm-5", reason="529") == 2


@pytest.mark.parametrize(
    ("error", "first_byte", "outcome"),
    [("interrupted", 0.5, "interrupted"), ("client left", None, "abandoned")],
)
def test_an_attempt_that_ends_early(
    made: meters.Meters, error: str, first_byte: float | None, outcome: str
) -> None:
    made.take(record(error=error, first_byte=first_byte), None)
    assert value(made, "attempts_total", target="zai/glm-5", outcome=outcome) == 1


def test_a_count_has_no_first_byte_and_an_unknown_price_is_counted(made: meters.Meters) -> None:
    made.take(record(kind="count", usage=usage.NONE, price=None), None)
    made.take(record(cost=prices.Cost(None, 1, "unknown"), price=None, first_byte=None), None)
    assert value(made, "time_to_first_byte_seconds_count", target="zai/glm-5") is None
    assert value(made, "unpriced_requests_total", target="zai/glm-5") == 1


def test_what_is_under_way(made: meters.Meters) -> None:
    request = flows.routed(tflow.tflow())
    made.began(request)
    assert (value(made, "requests_in_progress"), value(made, "streams")) == (1, 0)
    made.committed(request, flows.attempt(), flows.Progress())
    assert (value(made, "requests_in_progress"), value(made, "streams")) == (1, 1)
    made.closed(request, None, None)
    del request
    gc.collect()
    assert (value(made, "requests_in_progress"), value(made, "streams")) == (0, 0)


def test_the_state_of_the_rest(made: meters.Meters) -> None:
    assert value(made, "limits_met_total", limit="head_size") == 3
    assert value(made, "ledger_waiting") == 7
    assert value(made, "upstream_idle_connections") == 2
    assert value(made, "pool_tokens", state="available") == 2
    assert value(made, "target_skipped", target="zai/glm-5") == 0
    made.lag.observe(0.02)
    assert value(made, "event_loop_lag_seconds_count") == 1


def test_hostile_names_make_few_series(made: meters.Meters) -> None:
    for number in range(500):
        made.take(record(model=f"x{number}", target="", status=404, first_byte=None), None)
        made.take(record(model=f'claude-{number}"\n', target=f"anthropic/claude-{number}"), None)
    assert len(made.text().splitlines()) < 3000


def test_without_a_profile() -> None:
    made = meters.Meters(lambda: None)
    made.take(record(), None)
    assert value(made, "requests_in_progress") == 0


def test_clients_with_budgets() -> None:
    key = f"sha256:{'0' * 63}"
    limited = {
        "alice": {"key": f"{key}1", "budget": {"day": 20, "month": 300}},
        "bob": {"key": f"{key}2", "tokens_per_day": 1000},
        "free": {"key": f"{key}3"},
    }
    profile = proxies.profile("http://127.0.0.1:1", clients=limited)
    in_force = states.state_of(profiles.parse(str(profile), {}, "p.yaml"))
    made = meters.Meters(lambda: in_force)
    gates = in_force.gate
    for name in (*limited, "stranger"):
        gates.counters.settle(name, budgets.NOTHING, budgets.Amount(5, 50), gates.clock())
    for period, budget in (("day", 20), ("month", 300)):
        labels = {"client": "alice", "period": period}
        assert value(made, "client_budget_dollars", **labels) == budget
        assert value(made, "client_spent_dollars", **labels) == 5
    assert value(made, "client_tokens_per_day", client="bob") == 1000
    assert value(made, "client_tokens_today", client="bob") == 50
    text = made.text().decode()
    assert "stranger" not in text and "free" not in text
