"""What a profile says about prices: `prices` of its targets, and `default_price` for unknown ones."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterator

from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.profile import patterns
from claude_route.profile import values


def read(table: values.Value, default: values.Value) -> prices.Prices:
    """Raises:
    ValueError: `<key path>: expected <what>, got <repr>`.
    """
    own = {_name(name, at): _price(at) for name, at in table.mapping().items()}
    return prices.Prices(
        patterns.Table(own), prices.DEFAULT if default.raw is None else _price(default)
    )


def warnings(table: values.Value, providers: Container[str]) -> Iterator[str]:
    """About prices that nothing has, which are a slip as a rule."""
    for name in table.mapping():
        provider = name.partition("/")[0]
        if "*" not in provider and provider not in providers:
            yield f"prices.{name} is of no use: there is no provider {provider}."


def _name(name: str, at: values.Value) -> str:
    if not all(name.partition("/")[::2]):
        raise at.problem("expected a key such as provider/model or provider/*")
    return name


def _price(value: values.Value) -> price.Price:
    """What has no price of its own costs as much as other input, an hour's cache as much as a shorter one."""
    value.only(*price.Price._fields)
    dollars = "dollars per million tokens"
    into = value["input"].number(expected=dollars)
    write = value["cache_write"].number(into, expected=dollars)
    return price.Price(
        input=into,
        output=value["output"].number(expected=dollars),
        cache_read=value["cache_read"].number(into, expected=dollars),
        cache_write=write,
        cache_write_1h=value["cache_write_1h"].number(write, expected=dollars),
    )
