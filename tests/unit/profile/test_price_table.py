from __future__ import annotations

from typing import Any

import pytest

from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.profile import price_table
from claude_route.profile import values


def read(raw: dict[str, Any]) -> prices.Prices:
    value = values.Value(raw, {"INPUT": "0.5"})
    return price_table.read(value["prices"], value["default_price"])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"input": 1, "output": 2}, price.Price(1, 2, 1, 1, 1)),
        ({"input": "${INPUT}", "output": 0}, price.Price(0.5, 0, 0.5, 0.5, 0.5)),
        (
            {"input": 1, "output": 2, "cache_read": 0.1, "cache_write": 1.2},
            price.Price(1, 2, 0.1, 1.2, 1.2),
        ),
        (
            {"input": 1, "output": 2, "cache_read": 0, "cache_write": 1.2, "cache_write_1h": 2},
            price.Price(1, 2, 0, 1.2, 2),
        ),
    ],
)
def test_a_price(raw: dict[str, Any], expected: price.Price) -> None:
    table = read({"prices": {"zai/glm-*": raw}, "default_price": raw})
    entry = table.own.find("zai/glm-5")
    assert entry and entry[0] == expected == table.default


def test_without_any() -> None:
    table = read({})
    assert table.own.find("zai/glm-5") is None
    assert table.default == prices.DEFAULT


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"prices": []}, "prices: expected a mapping, got a list"),
        ({"prices": {"glm-5": {}}}, r"prices\.glm-5: expected a key such as provider/model"),
        (
            {"prices": {"a/b": {"input": 1}}},
            r"prices\.a/b\.output: expected dollars per million tokens, got nothing",
        ),
        ({"prices": {"a/b": {"input": -1, "output": 1}}}, r"input: expected dollars .*, got -1"),
        ({"prices": {"a/b": {"input": "free", "output": 1}}}, "got 'free'"),
        ({"prices": {"a/b": {"input": True, "output": 1}}}, "got True"),
        ({"default_price": {"inputs": 1}}, "default_price.inputs: expected one of the keys input,"),
    ],
)
def test_what_is_wrong(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(raw)


def test_prices_that_nothing_has_are_warned_of() -> None:
    names = ("zai/glm-5", "zay/glm-5", "*/glm", "z*/x")
    listed = {name: {"input": 1, "output": 2} for name in names}
    value = values.Value({"prices": listed}, {})["prices"]
    assert list(price_table.warnings(value, ["zai"])) == [
        "prices.zay/glm-5 is of no use: there is no provider zay."
    ]
