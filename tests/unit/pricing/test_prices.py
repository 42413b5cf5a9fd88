from __future__ import annotations

import pytest

from claude_route.dialects import usage
from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.profile import profiles

PROFILE = profiles.parse(
    """
providers:
  anthropic: {base_url: "https://api.anthropic.com"}
  zai: {base_url: "https://api.z.ai/api/anthropic", auth: none}
  company: {base_url: "https://models.example", auth: none}
models:
  claude-*: anthropic/claude-*
  glm*: zai/glm*
  own/*: company/*
prices:
  zai/glm-5: {input: 0.6, output: 2.2, cache_read: 0.11, cache_write: 0.6}
  company/free-*: {input: 0, output: 0}
default_price: {input: 7, output: 70}
""",
    {},
    "p.yaml",
)

TOKENS = usage.Usage(1_000_000, 1_000_000)


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("glm-5", "glm-5", prices.Cost(2.8, 2.8, "profile")),
        ("own/free-7b", "own/free-7b", prices.Cost(0, 0, "profile")),
        ("glm-4.6", "glm-4.6", prices.Cost(2.8, 2.8, "list")),
        ("claude-opus-5-5", "claude-opus-5-5", prices.Cost(24, 24, "list")),
        ("own/mystery", "claude-opus-5-5", prices.Cost(24, 24, "asked")),
        ("own/mystery", "claude-route/claude-opus-5-5[1m]", prices.Cost(24, 24, "asked")),
        ("own/mystery", "gpt-5.2", prices.Cost(15.75, 15.75, "asked")),
        ("own/mystery", "own/mystery", prices.Cost(None, 77, "unknown")),
        ("claude-opus-9", "claude-opus-9", prices.Cost(None, 77, "unknown")),
    ],
)
def test_cost(model: str, asked: str, expected: prices.Cost) -> None:
    target = PROFILE.target(model)
    assert target
    cost = PROFILE.prices.cost(target, asked, TOKENS)
    assert cost.source == expected.source
    assert cost.dollars == (expected.dollars and pytest.approx(expected.dollars))
    assert cost.charged == pytest.approx(expected.charged)


def test_nothing_is_free_by_accident() -> None:
    assert all(dollars > 0 for dollars in prices.DEFAULT)


def test_the_default_is_the_profiles() -> None:
    assert PROFILE.prices.default == price.Price(7, 70, 7, 7, 7)
