from __future__ import annotations

import math

import pytest

from claude_route.routing import health
from claude_route.routing import quota
from claude_route.store import records

NOW = 1_800_000_000.25

REPORT = health.Health(
    (
        health.Held(quota.Rest(NOW + 100, None, "429, retry-after"), NOW),
        health.Held(quota.Rest(NOW + 50, "opus", "429, 7d_oi"), NOW, True),
    ),
    "401, revoked",
    {"5h": quota.Window(0.42, NOW + 9), "7d": quota.Window(1.5, math.inf)},
)


@pytest.mark.parametrize("report", [REPORT, health.Health()])
def test_what_is_written_is_read(report: health.Health) -> None:
    assert records.read(records.fields(report)) == report


@pytest.mark.parametrize(
    "text", ["", "{", "1", "[]", '["a",1,false,"x"]', "[1,2,3,4]", '[1,2,false,"x",5]', "[NaN]"]
)
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    fields = {"rest:": text, "window:5h": text, "other": text}
    assert records.read(fields) == health.Health()
