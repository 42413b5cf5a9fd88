"""Records for tests."""

from __future__ import annotations

import itertools
from typing import Any

from claude_route.dialects import usage
from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.proxy import records

AT = 1795867200.0
"""2026-11-28T12:00:00Z"""

_NUMBERS = itertools.count()


def record(**changes: Any) -> records.Record:
    values: dict[str, Any] = {
        "id": f"{next(_NUMBERS):020d}",
        "at": AT,
        "client": "alice",
        "session": "s",
        "agent": "",
        "kind": "message",
        "model": "glm",
        "target": "zai/glm-5",
        "token": None,
        "usage": usage.Usage(10, 20, 30, 40, 5),
        "is_estimated": False,
        "cost": prices.Cost(0.000_001_5, 0.000_001_5, "list"),
        "status": 200,
        "first_byte": 0.5,
        "duration": 2.0,
        "attempts": 1,
        "error": "",
        "price": price.Price(1, 2, 0.1, 1.25, 2),
    }
    return records.Record(**values | changes)
