from __future__ import annotations

from typing import Any

import pytest

from claude_route import targets
from claude_route.profile import abilities
from claude_route.profile import values


def read(raw: dict[str, Any], *default: targets.Abilities) -> targets.Abilities:
    return abilities.read(values.Value(raw, {"WINDOW": "9000"}, "glm"), *default)


LOCAL = targets.Abilities(32768, ("images", "effort"))


@pytest.mark.parametrize(
    ("raw", "default", "expected"),
    [
        ({}, targets.Abilities(), targets.Abilities()),
        ({}, LOCAL, LOCAL),
        ({"context": 200000}, LOCAL, targets.Abilities(200000, ("images", "effort"))),
        ({"context": "${WINDOW}"}, targets.Abilities(), targets.Abilities(9000)),
        ({"supports": {"images": True}}, LOCAL, targets.Abilities(32768, ("effort",))),
        (
            {"supports": {"documents": False, "structured_outputs": False}},
            targets.Abilities(),
            targets.Abilities(None, ("documents", "structured_outputs")),
        ),
    ],
)
def test_read(raw: dict[str, Any], default: targets.Abilities, expected: targets.Abilities) -> None:
    assert read(raw, default) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"context": 0}, "glm.context: expected a number of tokens above 0, got 0"),
        (
            {"context": "200k"},
            "glm.context: expected a number of tokens above 0, got '200k'",
        ),
        (
            {"supports": {"vision": False}},
            "glm.supports.vision: expected one of the keys images, documents, effort, "
            "structured_outputs, got 'vision'",
        ),
        (
            {"supports": {"images": "no"}},
            "glm.supports.images: expected true or false, got 'no'",
        ),
    ],
)
def test_invalid(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as e:
        read(raw)
    assert str(e.value) == message


def test_table() -> None:
    raw = {"glm-*": {"context": 200000}, "glm-5": {"supports": {"effort": True}}}
    table = abilities.table(values.Value(raw, {}), LOCAL)
    assert table
    assert table.find("glm-4") == (targets.Abilities(200000, LOCAL.lacks), ("4",))
    assert table.find("glm-5") == (targets.Abilities(32768, ("images",)), ())
    assert table.find("kimi") is None


def test_no_table() -> None:
    assert abilities.table(values.Value(None, {}), LOCAL) is None
    with pytest.raises(ValueError, match="expected one of the keys context, supports"):
        abilities.table(values.Value({"m": {"window": 3}}, {}), LOCAL)
