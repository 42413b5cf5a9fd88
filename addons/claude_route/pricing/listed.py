"""The list of providers' prices that the package brings: `list.json`, made of genai-prices.

https://github.com/pydantic/genai-prices has the prices of some two thousand models. Its own code would
bring pydantic, an HTTP client and 100 MB of memory along, and looks one price up at a time. So the
list is made from it once: `uv run --dev python -m tests.price_list`. Nothing is looked up on a network.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from claude_route.pricing import price

FILE = Path(__file__).with_name("list.json")

type Clause = Mapping[str, Any]
"""What a name must look like: `{"starts_with": "glm-5"}`, or `{"or": [...]}` of several."""


class Model(msgspec.Struct, frozen=True):
    match: Clause
    base: price.Price | None = None
    """None for a model that isn't paid by token."""
    above: tuple[tuple[int, price.Price], ...] = ()


class Provider(msgspec.Struct, frozen=True):
    id: str
    url: str
    """A regular expression for the beginning of a base URL."""
    models: tuple[Model, ...]
    name: Clause | None = None
    """What else the provider may be called."""
    known_by: Clause | None = None
    """The models that are this provider's own, whoever serves them."""
    others: tuple[str, ...] = ()
    """The providers whose models it serves too, at their prices."""


class List(msgspec.Struct, frozen=True):
    source: str
    as_of: str
    """The date whose prices these are."""
    providers: tuple[Provider, ...]


LIST = msgspec.json.decode(FILE.read_bytes(), type=List)
"""Read at once: by the time of the first request, no file may be to be had for it."""


@functools.lru_cache(maxsize=4096)
def tariff(provider: str, base_url: str, model: str) -> price.Tariff | None:
    """The price of a model at a provider, by the provider's address, or else its name; if the list has
    neither, the price of whoever makes the model. None if the list has no such model."""
    seller = _seller(provider, base_url) or _maker(model)
    return _tariff(seller, model) if seller else None


@functools.lru_cache(maxsize=4096)
def of_maker(model: str) -> price.Tariff | None:
    """The price of a model at whoever makes it; None if the list has no such model."""
    maker = _maker(model)
    return _tariff(maker, model) if maker else None


def matches(clause: Clause, text: str) -> bool:
    ((kind, value),) = clause.items()
    match kind:
        case "or":
            return any(matches(part, text) for part in value)
        case "and":
            return all(matches(part, text) for part in value)
        case "regex":
            return re.search(value, text) is not None
        case "equals":
            return bool(text == value)
        case "starts_with":
            return text.startswith(value)
        case "ends_with":
            return text.endswith(value)
        case _:
            return value in text


def _seller(name: str, base_url: str) -> Provider | None:
    providers, name = LIST.providers, name.lower()
    by_url = (each for each in providers if re.match(each.url, base_url))
    by_id = (each for each in providers if each.id == name)
    by_name = (each for each in providers if each.name and matches(each.name, name))
    return next(by_url, None) or next(by_id, None) or next(by_name, None)


def _maker(model: str) -> Provider | None:
    makers = (each for each in LIST.providers if each.known_by)
    return next((each for each in makers if matches(each.known_by or {}, model.lower())), None)


def _tariff(provider: Provider, model: str) -> price.Tariff | None:
    name = model.lower()
    others = [each for each in LIST.providers if each.id in provider.others]
    for seller in (provider, *others):
        for entry in seller.models:
            if matches(entry.match, name):
                return price.Tariff(entry.base, entry.above) if entry.base else None
    return None
