"""What an answer costs: the profile's prices, else those of the lists, else a default."""

from __future__ import annotations

from typing import Literal
from typing import NamedTuple
from typing import Protocol

from claude_route import targets
from claude_route.dialects import usage
from claude_route.pricing import claude
from claude_route.pricing import listed
from claude_route.pricing import price

type Source = Literal["profile", "list", "asked", "unknown"]
"""Which price it is: the profile's, the upstream model's in a list, that of the model asked for, or none."""

DEFAULT = price.Price(3, 15, 0.3, 3.75, 6)
"""What budgets charge for a model whose price nobody knows, unless the profile says otherwise."""


class Cost(NamedTuple):
    """US dollars."""

    dollars: float | None
    """For reports; None if no price is known."""
    charged: float
    """For budgets: at the default price if no other is known, so that nothing is free by accident."""
    source: Source


class Table(Protocol):
    """The prices of a profile, by `provider/model` or a pattern."""

    def find(self, name: str) -> tuple[price.Price, tuple[str, ...]] | None: ...


class Prices:
    def __init__(self, own: Table, default: price.Price = DEFAULT) -> None:
        self.own = own
        self.default = default

    def cost(self, target: targets.Target, asked: str, used: usage.Usage) -> Cost:
        """What an answer of `target` costs; `asked` is the model that the client asked for."""
        tariff, source = self.tariff(target, asked)
        if tariff is None:
            return Cost(None, self.default.of(used), source)
        dollars = tariff.of(used)
        return Cost(dollars, dollars, source)

    def charging(self, target: targets.Target, asked: str) -> price.Tariff:
        """By which answers of `target` are charged to budgets."""
        return self.tariff(target, asked)[0] or price.Tariff(self.default)

    def tariff(self, target: targets.Target, asked: str) -> tuple[price.Tariff | None, Source]:
        if entry := self.own.find(str(target)):
            return price.Tariff(entry[0]), "profile"
        if tariff := of_list(target):
            return tariff, "list"
        asked = targets.bare(targets.unprefixed(asked))
        if tariff := claude.tariff(asked) or listed.of_maker(asked):
            return tariff, "asked"
        return None, "unknown"


def of_list(target: targets.Target) -> price.Tariff | None:
    provider, model = target
    # Anthropic's own come first: the list may be older, or lack a model.
    own = claude.tariff(model) if provider.is_anthropic else None
    return own or listed.tariff(provider.name, provider.base_url, model)
