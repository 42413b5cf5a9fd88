from __future__ import annotations

import pytest

from claude_route.dialects import usage
from claude_route.pricing import claude

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "used", "dollars"),
    [
        ("claude-opus-5-5", usage.Usage(input=MILLION), 4),
        ("claude-opus-5-5", usage.Usage(output=MILLION), 20),
        ("claude-opus-5-5", usage.Usage(cache_read=MILLION), 0.2),
        ("claude-opus-5-5", usage.Usage(cache_write=MILLION), 5),
        ("claude-opus-5-5", usage.Usage(cache_write=MILLION, cache_write_1h=MILLION), 8),
        ("claude-opus-5-5[1m]", usage.Usage(input=MILLION), 4),
        ("anthropic/claude-opus-4.5", usage.Usage(input=MILLION), 5),
        ("claude-opus-4-5-20251101", usage.Usage(input=MILLION), 5),
        ("claude-opus-4-20250514", usage.Usage(input=MILLION), 15),
        ("claude-fable-5-2", usage.Usage(input=MILLION), 8),
        ("claude-mythos-5-2", usage.Usage(output=MILLION), 40),
        ("claude-fable-5-2", usage.Usage(cache_read=MILLION), 0.2),
        ("claude-fable-5-2", usage.Usage(cache_write=MILLION), 10),
        ("claude-mythos-5-2", usage.Usage(cache_write=MILLION, cache_write_1h=MILLION), 16),
        ("claude-sonnet-5-5", usage.Usage(output=MILLION), 10),
        ("claude-sonnet-5", usage.Usage(input=MILLION), 2),
        ("claude-haiku-5-5", usage.Usage(input=100_000), 0.01),
        ("claude-haiku-5-5", usage.Usage(input=1, cache_read=MILLION), 0.0500005),
        ("claude-haiku-4-5", usage.Usage(1000, 500, 10_000), 0.0045),
        ("claude-opus-9", usage.Usage(input=MILLION), None),
        ("claude-3-opus-20240229", usage.Usage(input=MILLION), None),
        ("glm-5", usage.Usage(input=MILLION), None),
        ("", usage.Usage(input=MILLION), None),
    ],
)
def test_cost(model: str, used: usage.Usage, dollars: float | None) -> None:
    assert claude.cost(model, used) == (pytest.approx(dollars) if dollars else None)
