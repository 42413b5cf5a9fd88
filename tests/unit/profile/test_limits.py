from __future__ import annotations

from typing import Any

import pytest

from claude_route.profile import limits
from claude_route.profile import values


@pytest.mark.parametrize(
    ("raw", "expected", "are_of_use"),
    [
        ({}, limits.NONE, False),
        ({"requests_per_minute": 5}, limits.Limits(5), False),
        ({"tokens_per_day": 7}, limits.Limits(None, 7), True),
        ({"budget": {"month": "${MOST}"}}, limits.Limits(caps=(limits.Cap("month", 12.5),)), True),
    ],
)
def test_read(raw: dict[str, Any], expected: limits.Limits, are_of_use: bool) -> None:
    made = limits.read(values.Value(raw, {"MOST": "12.5"}))
    assert made == expected
    assert made.are_of_use is are_of_use
