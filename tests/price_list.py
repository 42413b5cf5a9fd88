"""Makes `pricing/list.json` of genai-prices, whose version pyproject.toml pins.

uv run --dev python -m tests.price_list
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import genai_prices
import msgspec
from genai_prices import data
from genai_prices import types

from claude_route.pricing import listed

SOURCE = f"genai-prices {genai_prices.__version__}, https://github.com/pydantic/genai-prices, MIT"

KINDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")


def made(as_of: datetime.date) -> bytes:
    """The file: a line for each provider and model, so that a diff shows which price has changed."""
    # Some providers are cheaper at night.
    noon = datetime.datetime.combine(as_of, datetime.time(12), datetime.UTC)
    providers = [_provider(each, noon) for each in data.providers]
    lines = [f'{{"source":{_json(SOURCE)},"as_of":{_json(as_of)},"providers":[']
    for last, provider in _last([provider for provider in providers if provider["models"]]):
        models = provider.pop("models")
        lines.append(f'{_json(provider)[:-1]},"models":[')
        lines += [f"{_json(model)}{'' if end else ','}" for end, model in _last(models)]
        lines.append("]}" if last else "]},")
    return ("\n".join([*lines, "]}"]) + "\n").encode()


def _provider(provider: types.Provider, at: datetime.datetime) -> dict[str, Any]:
    return _without_nones(
        {
            "id": provider.id,
            "url": provider.api_pattern,
            "name": provider.provider_match and _clause(provider.provider_match),
            "known_by": provider.model_match and _clause(provider.model_match),
            "others": provider.fallback_model_providers or None,
            "models": [
                {"match": _clause(model.match), **_prices(model.get_prices(at))}
                for model in provider.models
            ],
        }
    )


def _prices(prices: types.ModelPrice) -> dict[str, Any]:
    """Empty for a model that isn't paid by token."""
    kinds = [getattr(prices, kind) for kind in KINDS]
    if kinds[0] is None or kinds[1] is None:
        return {}
    starts = sorted(
        {
            tier.start
            for kind in kinds
            if isinstance(kind, types.TieredPrices)
            for tier in kind.tiers
        }
    )
    above = [[start, _price(kinds, start + 1)] for start in starts]
    return {"base": _price(kinds, 0), **({"above": above} if above else {})}


def _price(kinds: list[Any], prompt: int) -> list[float]:
    """All five prices for a prompt of so many tokens. What has no price of its own costs as what it is
    a kind of."""
    numbers = [None if kind is None else _number(kind, prompt) for kind in kinds]
    into, out, read, write, write_1h = numbers
    assert into is not None and out is not None
    write = into if write is None else write
    return [
        into,
        out,
        into if read is None else read,
        write,
        write if write_1h is None else write_1h,
    ]


def _number(price: Any, prompt: int) -> float:
    if isinstance(price, types.TieredPrices):
        tiers = [tier.price for tier in price.tiers if prompt > tier.start]
        price = tiers[-1] if tiers else price.base
    return float(price)


def _clause(clause: Any) -> dict[str, Any]:
    ((field, value),) = dataclasses.asdict(clause).items()
    if field in ("or_", "and_"):
        return {field[:-1]: [_clause(part) for part in getattr(clause, field)]}
    return {field: value if field == "regex" else value.lower()}


def _without_nones(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _last(items: Sequence[Any]) -> Iterator[tuple[bool, Any]]:
    """Each item, and whether it is the last."""
    yield from ((number == len(items), item) for number, item in enumerate(items, 1))


if __name__ == "__main__":
    listed.FILE.write_bytes(made(datetime.datetime.now(datetime.UTC).date()))
