from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_route.wire import lenient


class Inner(msgspec.Struct):
    name: str | None = None
    any: Any = None


class Outer(msgspec.Struct):
    index: int | None = None
    one: Inner | None = None
    many: list[Inner] | None = None
    kind: str = msgspec.field(default="", name="type")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Outer()),
        ({"index": 3, "type": "x", "unknown": 1}, Outer(3, kind="x")),
        ({"index": "3"}, Outer(3)),
        ({"index": "x", "type": None, "one": 7, "many": {}}, Outer()),
        ({"index": None, "one": None, "many": None}, Outer()),
        ({"one": {"name": 5, "any": [1]}}, Outer(one=Inner(None, [1]))),
        ({"many": [{"name": "a"}, 7, None, {"name": []}]}, Outer(many=[Inner("a"), Inner()])),
    ],
)
def test_what_fits_is_kept(value: dict[str, Any], expected: Outer) -> None:
    assert lenient.convert(value, Outer) == expected
