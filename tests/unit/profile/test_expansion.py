from __future__ import annotations

import pytest

from claude_route import targets
from claude_route.profile import expansion
from claude_route.profile import profiles

PROVIDERS = """
providers:
  anthropic: {base_url: "https://api.anthropic.com"}
  zai: {base_url: "https://api.z.ai", auth: none}
  ollama: {base_url: "http://127.0.0.1:11434", auth: none}
"""
SERVED = {"ollama": ("qwen3:8b", "llama3", "big/one")}


def served(provider: targets.Provider) -> tuple[str, ...]:
    return SERVED.get(provider.name, ())


def names(models: str) -> list[str]:
    return expansion.names(profiles.parse(f"{PROVIDERS}models: {models}", {}, "p.yaml"), served)


@pytest.mark.parametrize(
    ("models", "listed"),
    [
        ("{glm: zai/glm-5, kimi: zai/k2}", ["glm", "kimi"]),
        ("{claude-route/glm: zai/glm-5}", ["glm"]),
        (
            "{ollama/*: ollama/*, glm: zai/glm-5}",
            ["glm", *map("ollama/{}".format, SERVED["ollama"])],
        ),
        ("{o-*-x: ollama/*}", ["o-qwen3:8b-x", "o-llama3-x", "o-big/one-x"]),
        ("{big-*: ollama/big/*}", ["big-one"]),
        ("{zai/*: zai/*}", []),
        ("{'*-*': ollama/*}", []),
        ("{any-*: ollama/llama3}", []),
        ("{claude-*: anthropic/claude-*}", [*expansion.CLAUDE]),
        ("{claude-*: zai/glm-5}", [*expansion.CLAUDE]),
        ("{claude-opus-*: zai/glm-5}", ["claude-opus-5-5"]),
        ("{'*': anthropic/*}", []),
        # A more specific entry has the name.
        ("{'o*': ollama/*, ollama3: zai/glm-5, '*': zai/*}", ["ollama3", "oqwen3:8b", "obig/one"]),
        (
            "{claude-*: anthropic/claude-*, claude-opus-*: zai/glm-5}",
            [
                *(name for name in expansion.CLAUDE if "opus" not in name),
                "claude-opus-5-5",
            ],
        ),
    ],
)
def test_names(models: str, listed: list[str]) -> None:
    SERVED["ollama"] = ("qwen3:8b", "llama3", "big/one")
    assert names(models) == listed


def test_a_name_of_its_own_is_not_listed_for_a_pattern() -> None:
    assert names("{ollama/*: ollama/*, ollama/llama3: zai/glm-5}").count("ollama/llama3") == 1
