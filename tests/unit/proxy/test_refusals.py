from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from claude_route.proxy import refusals
from claude_route.routing import budgets

NOW = datetime.datetime(2026, 11, 28, 18, tzinfo=datetime.UTC).timestamp()
MIDNIGHT = NOW + 6 * 3600
PREFIX = "anthropic-ratelimit-unified-"


def day(used: float, limit: float = 20, **changes: Any) -> budgets.Standing:
    return budgets.Standing("day", limit, used, MIDNIGHT)._replace(**changes)


OTHER = (b"request-id", b"req_1")
UPSTREAMS = (b"Anthropic-Ratelimit-Unified-5h-Status", b"allowed")


def headers(standing: budgets.Standing) -> dict[str, str]:
    """Those of an answer."""
    kept, *made = refusals.in_place((UPSTREAMS, OTHER), standing)
    assert kept == OTHER
    return {name.decode().removeprefix(PREFIX): value.decode() for name, value in made}


@pytest.mark.parametrize(
    ("used", "status", "share", "passed"),
    [
        (0, "allowed", "0", None),
        (14.9, "allowed", "0.74", None),
        (15, "allowed", "0.75", None),
        (15.1, "allowed_warning", "0.76", "0.75"),
        (19, "allowed_warning", "0.95", "0.75"),
        (19.1, "allowed_warning", "0.96", "0.95"),
        (19.99, "allowed_warning", "0.99", "0.95"),
    ],
)
def test_what_an_answer_says(used: float, status: str, share: str, passed: str | None) -> None:
    """As Anthropic's own gateway has it."""
    expected = {
        "status": status,
        "reset": str(int(MIDNIGHT)),
        "representative-claim": "overage",
        "overage-status": status,
        "overage-reset": str(int(MIDNIGHT)),
        "overage-utilization": share,
        "overage-period": "daily",
    }
    if passed:
        expected["overage-surpassed-threshold"] = passed
    assert headers(day(used)) == expected


def test_another_model_has_answered() -> None:
    made = headers(day(25))
    assert (made["status"], made["overage-utilization"]) == ("allowed_warning", "0.99")


@pytest.mark.parametrize(
    ("standing", "words", "period", "wait"),
    [
        (
            day(20.126),
            "spend limit reached · resets Nov 29 · alice has used up the day's budget of $20.00 "
            "($20.13 used), which begins again on 2026-11-29 at 00:00 UTC",
            "daily",
            6 * 3600,
        ),
        (
            day(2000, 1000, period="month", resets=MIDNIGHT + 2 * 24 * 3600),
            "spend limit reached · resets Dec 1 · alice has used up the month's budget of $1,000 "
            "($2,000 used), which begins again on 2026-12-01 at 00:00 UTC",
            "monthly",
            54 * 3600,
        ),
        (
            day(5_100_000, 5_000_000, unit="tokens"),
            "spend limit reached · resets Nov 29 · alice has used up the day's 5.0M tokens (5.1M used), "
            "which begins again on 2026-11-29 at 00:00 UTC",
            "daily",
            6 * 3600,
        ),
    ],
)
def test_a_limit_that_is_used_up(
    standing: budgets.Standing, words: str, period: str, wait: int
) -> None:
    response = refusals.response("alice", budgets.Decision("use", 0, standing), None, NOW)
    assert response.status_code == 429
    assert json.loads(response.content or b"")["error"] == {
        "type": "billing_error",
        "message": words,
    }
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["retry-after"] == str(wait)
    made = refusals.unified(standing)
    assert made[f"{PREFIX}status"] == "rejected"
    assert made[f"{PREFIX}overage-period"] == period
    assert made[f"{PREFIX}overage-disabled-reason"] == "org_spend_cap_reached"
    assert made.items() <= dict(response.headers).items()


@pytest.mark.parametrize(
    ("decision", "words", "wait"),
    [
        (
            budgets.Decision("rate", 37.2),
            "alice may send 60 requests within a minute, and has sent them",
            "38",
        ),
        (budgets.Decision("rate", 0.001), "alice may send 60 requests", "1"),
        (budgets.Decision("rate", 60.0), "alice may send 60 requests", "60"),
        (
            budgets.Decision("busy", 0, day(12)),
            "Requests of alice that are under way may use up what is left of the day's budget of $20.00",
            "5",
        ),
    ],
)
def test_what_passes_soon(decision: budgets.Decision, words: str, wait: str) -> None:
    response = refusals.response("alice", decision, 60, NOW)
    error = json.loads(response.content or b"")["error"]
    assert (response.status_code, error["type"]) == (429, "rate_limit_error")
    assert words in error["message"]
    assert response.headers["retry-after"] == wait
    assert response.headers["x-should-retry"] == "true"
