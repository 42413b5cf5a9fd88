"""The cost of an answer at Anthropic's list prices.

From https://platform.claude.com/docs/en/about-claude/pricing as of November 2026; they may have changed
since. They are the API's prices: a subscription isn't billed by token, and other providers, cloud
platforms, batches and fast modes have different prices.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from claude_route.dialects import usage


class Price(NamedTuple):
    """Dollars per million tokens."""

    input: float
    output: float
    cache_read: float

    def of(self, used: usage.Usage) -> float:
        # Writing to a cache costs 1.25 times the input for five minutes, and twice for an hour.
        for_5m = used.cache_write - used.cache_write_1h
        million = (
            self.input * (used.input + 1.25 * for_5m + 2 * used.cache_write_1h)
            + self.cache_read * used.cache_read
            + self.output * used.output
        )
        return million / 1_000_000


LIST: dict[str, Price] = {
    "fable-5-2": Price(8, 40, 0.2),
    "fable-5-1": Price(10, 50, 0.25),
    "fable-5": Price(10, 50, 1),
    "mythos-5-2": Price(8, 40, 0.2),
    "mythos-5-1": Price(10, 50, 0.25),
    "mythos-5": Price(10, 50, 1),
    "opus-5-5": Price(4, 20, 0.2),
    "opus-5": Price(5, 25, 0.5),
    "opus-4-8": Price(5, 25, 0.5),
    "opus-4-7": Price(5, 25, 0.5),
    "opus-4-6": Price(5, 25, 0.5),
    "opus-4-5": Price(5, 25, 0.5),
    "opus-4-1": Price(15, 75, 1.5),
    "opus-4": Price(15, 75, 1.5),
    "sonnet-5-5": Price(2, 10, 0.1),
    "sonnet-5": Price(2, 10, 0.2),
    "sonnet-4-6": Price(3, 15, 0.3),
    "sonnet-4-5": Price(3, 15, 0.3),
    "sonnet-4": Price(3, 15, 0.3),
    "haiku-5-5": Price(0.1, 0.5, 0.01),
    "haiku-4-5": Price(1, 5, 0.1),
}

HAIKU_5_5_LONG = Price(0.5, 2.5, 0.05)
"""The price for prompts of more than 100,000 tokens."""

_CLAUDE = re.compile(
    r"claude-(?P<family>[a-z]+)-(?P<major>\d{1,2})(?:[.-](?P<minor>\d{1,2}))?(?!\d)"
)


def cost(model: str, used: usage.Usage) -> float | None:
    """Dollars; None for a model without a list price."""
    match = _CLAUDE.search(model)
    if not match:
        return None
    name = "-".join(part for part in match.groups() if part)
    if name == "haiku-5-5" and used.prompt > 100_000:
        return HAIKU_5_5_LONG.of(used)
    price = LIST.get(name)
    return price.of(used) if price else None
