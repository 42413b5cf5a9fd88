from __future__ import annotations

import pytest

from claude_route.profile import profiles

PROVIDERS = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai/api/anthropic}
"""

MODELS = """
models:
  glm: zai/glm-5
  anthropic/*: anthropic/*
  claude-*: anthropic/claude-*
  claude-haiku-*: zai/glm-5-air
"""

CLAUDE = "anthropic/claude-sonnet-5-5"


def parse(text: str, **environ: str) -> profiles.Profile:
    return profiles.parse(text, environ, "p.yaml")


@pytest.mark.parametrize(
    "value, tools, expected",
    [
        ("claude-sonnet-5-5", ["web_search"], [CLAUDE]),
        ("claude-sonnet-5-5", ["web_fetch", "code_execution"], [CLAUDE]),
        ("{web_search: claude-sonnet-5-5}", ["web_search"], [CLAUDE]),
        ("{web_search: claude-sonnet-5-5}", ["web_fetch"], []),
        ("{web_search: claude-sonnet-5-5}", ["web_fetch", "web_search"], [CLAUDE]),
        (
            "{web_search: claude-sonnet-5-5, web_fetch: anthropic/claude-x}",
            ["web_search", "web_fetch"],
            [CLAUDE, "anthropic/claude-x"],
        ),
        ("${SEARCH:-claude-sonnet-5-5}", ["web_search"], [CLAUDE]),
        ("{}", ["web_search"], []),
        ("", ["web_search"], []),
    ],
)
def test_server_tools(value: str, tools: list[str], expected: list[str]) -> None:
    profile = parse(f"{PROVIDERS}{MODELS}\nserver_tools: {value}")
    assert [str(target) for target in profile.server_tool_targets(tools)] == expected


def test_server_tools_of_a_provider_without_its_key() -> None:
    providers = PROVIDERS.replace("anthropic.com", "anthropic.com, api_key: '${KEY}'")
    profile = parse(f"{providers}{MODELS}\nserver_tools: claude-sonnet-5-5")
    assert profile.server_tool_targets(["web_search"]) == ()


def test_many_models_are_not_all_listed() -> None:
    models = "".join(f"  m{number}: zai/x\n" for number in range(100))
    with pytest.raises(ValueError, match=r"models m0, m1, .*, m11 …, got 'nope'$"):
        parse(f"{PROVIDERS}models:\n{models}fallbacks: {{m1: [nope]}}")


@pytest.mark.parametrize(
    ("text", "classifiers"),
    [
        ("", ("claude-sonnet-5",)),  # Haiku's requests go elsewhere
        ("safeguards: {}", ("claude-sonnet-5",)),
        ("safeguards: {classifier: off}", ()),
        ("safeguards: {classifier: 'off'}", ()),
        ("safeguards: {classifier: glm}", ("glm",)),
        ("safeguards: {classifier: claude-opus-5-5}", ("claude-opus-5-5",)),
    ],
)
def test_the_model_that_checks_tool_calls(text: str, classifiers: tuple[str, ...]) -> None:
    assert parse(PROVIDERS + MODELS + text).classifiers == classifiers
