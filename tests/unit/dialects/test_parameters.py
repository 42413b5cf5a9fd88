from __future__ import annotations

import pytest

from claude_route.dialects import parameters


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("body.reasoning_effort", ("reasoning_effort",)),
        ("reasoning.effort", ("reasoning_effort",)),
        ("thinking.budget_tokens", ("thinking",)),
        ("metadata.user_id", ("user",)),
        ("system[0].cache_control", ("cache_control",)),
        ("messages.[2].content.[0].cache_control.ephemeral.ttl", ("cache_control.ttl",)),
        ("messages.0.content.3.tool_result.content.0.text.cache_control", ("cache_control",)),
        ("tools[0].function.parameters.properties.a.pattern", ("schemas.pattern",)),
        ("tools.12.custom.input_schema.$schema", ("schemas.$schema",)),
        ("response_format.json_schema.schema.properties.a.format", ("schemas.format",)),
        ("schemas.const", ("schemas.const",)),
        ("max_tokens", ("max_tokens",)),
    ],
)
def test_choices(path: str, first: tuple[str, ...]) -> None:
    assert parameters.choices(path, is_general=True)[0] == first


@pytest.mark.parametrize(
    "path",
    [
        *("", "model", "messages", "stream", "tools", "system", "nonsense", "reasoning_effort.x"),
        *("tools.0.input_schema.properties.pattern", "tools.0.input_schema.type", "schemas.type"),
        "tools.0.input_schema.properties.cache_control",
    ],
)
def test_what_must_not_be_left_out(path: str) -> None:
    assert parameters.choices(path, is_general=True) == ()


@pytest.mark.parametrize(
    ("path", "choices"),
    [
        ("max_completion_tokens", (("max_tokens", "max_completion_tokens"),)),
        ("cache_control", ()),
        ("messages.0.content.0.cache_control.ttl", ()),
        ("tools.0.input_schema.pattern", ()),
        ("temperature", (("temperature",),)),
    ],
)
def test_a_value_that_is_refused(path: str, choices: parameters.Choices) -> None:
    assert parameters.choices(path, is_general=False) == choices


def test_sort() -> None:
    drop = ("top_k", "output_config.effort", "schemas.pattern", "cache_control.ttl", "a.b.c")
    assert parameters.sort(drop) == parameters.Parts(
        fields=frozenset({"top_k"}),
        nested=(("output_config", "effort"), ("a", "b.c")),
        keywords=frozenset({"pattern"}),
        cache=frozenset({"ttl"}),
    )
    assert parameters.sort(("cache_control",)).cache == {"type"}
