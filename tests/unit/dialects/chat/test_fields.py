from __future__ import annotations

import msgspec
import pytest

from claude_route.dialects.chat import fields


def make(**values: object) -> fields.Fields:
    return fields.Fields(
        {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in values.items()}
    )


def test_taken_once() -> None:
    taken = make(a=1)
    assert taken.take("a", int) == 1
    assert taken.take("a", int) is None
    assert taken.dropped() == ()


@pytest.mark.parametrize("values", [{}, {"a": None}])
def test_default(values: dict[str, object]) -> None:
    taken = make(**values)
    assert taken.take("a", int, 7) == 7
    assert taken.dropped() == ()


def test_dropped_once() -> None:
    left = make(b="secret")
    left.drop("a.b")
    left.drop("a.b")
    assert left.dropped() == ("a.b", "b")


class Known(msgspec.Struct):
    a: int


def test_unknown_keys_of_an_object_are_dropped() -> None:
    taken = make(x={"a": 1, "b": 2})
    assert taken.take("x", Known) == Known(1)
    assert taken.dropped() == ("x.b",)


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"^a: expected an integer, got a string$"):
        make(a="x").take("a", int)
