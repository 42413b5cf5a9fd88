from __future__ import annotations

import pytest

from claude_route.dialects import usage
from claude_route.pricing import price

MILLION = 1_000_000
PRICE = price.Price(2, 10, 0.2, 2.5, 4)


@pytest.mark.parametrize(
    ("used", "dollars"),
    [
        (usage.NONE, 0),
        (usage.Usage(input=MILLION), 2),
        (usage.Usage(output=MILLION), 10),
        (usage.Usage(cache_read=MILLION), 0.2),
        (usage.Usage(cache_write=MILLION), 2.5),
        (usage.Usage(cache_write=MILLION, cache_write_1h=MILLION), 4),
        (usage.Usage(cache_write=MILLION, cache_write_1h=MILLION // 2), 3.25),
    ],
)
def test_of(used: usage.Usage, dollars: float) -> None:
    assert PRICE.of(used) == pytest.approx(dollars)


def test_anthropic() -> None:
    assert price.anthropic(2, 10, 0.2) == PRICE


@pytest.mark.parametrize(
    ("used", "dollars"),
    [
        (usage.Usage(input=1000), 0.002),
        (usage.Usage(input=400, cache_read=300, cache_write=301), 1001),
        (usage.Usage(input=1001, output=1), 1002),
        (usage.Usage(input=5001), 50010),
    ],
)
def test_a_long_prompt_costs_more_as_a_whole(used: usage.Usage, dollars: float) -> None:
    dearer = price.Price(*[float(MILLION)] * 5)
    dearest = price.Price(*[10.0 * MILLION] * 5)
    tariff = price.Tariff(PRICE, ((1000, dearer), (5000, dearest)))
    assert tariff.of(used) == pytest.approx(dollars)
