"""Anthropic's list prices for Claude models.

From https://platform.claude.com/docs/en/about-claude/pricing as of November 2026; they may have changed
since. They are the API's prices: a subscription isn't billed by token, and other providers, cloud
platforms, batches and fast modes have different prices.
"""

from __future__ import annotations

import re

from claude_route.dialects import usage
from claude_route.pricing import price

LIST: dict[str, price.Tariff] = {
    name: price.Tariff(price.anthropic(*dollars))
    for name, dollars in {
        "fable-5-2": (8, 40, 0.2),
        "fable-5-1": (10, 50, 0.25),
        "fable-5": (10, 50, 1),
        "mythos-5-2": (8, 40, 0.2),
        "mythos-5-1": (10, 50, 0.25),
        "mythos-5": (10, 50, 1),
        "opus-5-5": (4, 20, 0.2),
        "opus-5": (5, 25, 0.5),
        "opus-4-8": (5, 25, 0.5),
        "opus-4-7": (5, 25, 0.5),
        "opus-4-6": (5, 25, 0.5),
        "opus-4-5": (5, 25, 0.5),
        "opus-4-1": (15, 75, 1.5),
        "opus-4": (15, 75, 1.5),
        "sonnet-5-5": (2, 10, 0.1),
        "sonnet-5": (2, 10, 0.2),
        "sonnet-4-6": (3, 15, 0.3),
        "sonnet-4-5": (3, 15, 0.3),
        "sonnet-4": (3, 15, 0.3),
        "haiku-5-5": (0.1, 0.5, 0.01),
        "haiku-4-5": (1, 5, 0.1),
    }.items()
}
LIST["haiku-5-5"] = LIST["haiku-5-5"]._replace(
    above=((100_000, price.anthropic(0.5, 2.5, 0.05)),),
)

_CLAUDE = re.compile(
    r"claude-(?P<family>[a-z]+)-(?P<major>\d{1,2})(?:[.-](?P<minor>\d{1,2}))?(?!\d)"
)


def tariff(model: str) -> price.Tariff | None:
    """None for a model without a list price."""
    match = _CLAUDE.search(model)
    return LIST.get("-".join(filter(None, match.groups()))) if match else None


def cost(model: str, used: usage.Usage) -> float | None:
    """Dollars; None for a model without a list price."""
    listed = tariff(model)
    return listed.of(used) if listed else None
