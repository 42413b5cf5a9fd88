from __future__ import annotations

from typing import Any

import pytest

from claude_route import targets
from tests.unit import examples


@pytest.mark.parametrize(
    ("name", "settings", "rotating", "otherwise"),
    [
        ("anthropic", {"auth": "pool"}, "pool", "client"),
        ("anthropic", {"auth": "client"}, "client", "client"),
        ("zai", {"auth": "bearer", "api_key": "key"}, "provider", "provider"),
        ("zai", {"auth": "x-api-key", "api_key": "key"}, "provider", "provider"),
        ("zai", {"auth": "none"}, "none", "none"),
    ],
)
def test_the_credential_that_goes_to_a_provider(
    name: str,
    settings: dict[str, Any],
    rotating: targets.Credential,
    otherwise: targets.Credential,
) -> None:
    provider = examples.target(name, **settings).provider
    assert provider.credential(rotates=True) == rotating
    assert provider.credential(rotates=False) == otherwise


def test_what_is_not_set() -> None:
    zai = examples.target("zai", auth="bearer", api_key="${A}", headers={"b": "${B}"})
    assert zai.provider.unset == "A and B are not set"
    assert str(zai) == "zai/m"


def test_what_is_left_out_comes_on_top_of_drop() -> None:
    zai = examples.target("zai", drop=["top_k"])
    assert zai.without(()) is zai
    assert zai.without(["thinking", "schemas.pattern"]) == examples.target(
        "zai", drop=["top_k", "thinking", "schemas.pattern"]
    )


@pytest.mark.parametrize(
    "name, bare",
    [
        ("glm", "glm"),
        ("glm[1m]", "glm"),
        ("glm[1M]", "glm"),
        ("glm[1m][1M]", "glm"),
        ("[1m]glm", "[1m]glm"),
        ("glm[1m]x", "glm[1m]x"),
        ("glm[1m]\n", "glm[1m]\n"),
        ("claude-*[1m]", "claude-*"),
        ("[1m]", "[1m]"),
        ("", ""),
    ],
)
def test_bare(name: str, bare: str) -> None:
    assert targets.bare(name) == bare


def test_abilities() -> None:
    settings: dict[str, Any] = {"context": 9, "models": {"m": {"context": 7}, "glm-*": {}}}
    target = examples.target("zai", auth="none", **settings)
    assert target.abilities == targets.Abilities(7)
    assert target._replace(model="other").abilities == targets.Abilities(9)
    assert examples.target("zai", auth="none").abilities == targets.UNKNOWN


@pytest.mark.parametrize(
    ("settings", "reasoning"), [({}, "required"), ({"reasoning": "required"}, "required")]
)
def test_calls_without_thinking_are_left_out_by_adding_some(
    settings: dict[str, Any], reasoning: str
) -> None:
    zai = examples.target("zai", **settings).without(("top_p", targets.BARE_CALLS))
    assert (zai.provider.reasoning, zai.provider.drop) == (reasoning, ("top_p",))


def test_what_is_limited_in_place_of_being_left_out() -> None:
    target = examples.target("zai", "glm-5")
    without = target.without(("top_k", "max_tokens=8192", "max_tokens=9000"))
    assert without.provider.drop == (*target.provider.drop, "top_k")
    assert without.provider.set == {**target.provider.set, "max_tokens": 8192}
