"""A model's price, and what tokens cost at it."""

from __future__ import annotations

from typing import NamedTuple

from claude_route.dialects import usage


class Price(NamedTuple):
    """Dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    """For five minutes."""
    cache_write_1h: float
    """For an hour."""

    def of(self, used: usage.Usage) -> float:
        return sum(self.parts(used).values())

    def parts(self, used: usage.Usage) -> dict[str, float]:
        """What each kind of tokens costs."""
        for_5m = used.cache_write - used.cache_write_1h
        million = 1_000_000
        return {
            "input": self.input * used.input / million,
            "output": self.output * used.output / million,
            "cache_read": self.cache_read * used.cache_read / million,
            "cache_write": (self.cache_write * for_5m + self.cache_write_1h * used.cache_write_1h)
            / million,
        }


def anthropic(input: float, output: float, cache_read: float) -> Price:
    """Anthropic's price: writing to a cache costs 1.25 times the input for five minutes, and twice for
    an hour."""
    return Price(input, output, cache_read, 1.25 * input, 2 * input)


class Tariff(NamedTuple):
    """A price that depends on how long the prompt is."""

    base: Price
    above: tuple[tuple[int, Price], ...] = ()
    """Prices for a whole request whose prompt has more than so many tokens, in ascending order."""

    def price(self, prompt: int) -> Price:
        price = self.base
        for start, dearer in self.above:
            if prompt > start:
                price = dearer
        return price

    def of(self, used: usage.Usage) -> float:
        return self.price(used.prompt).of(used)
