from __future__ import annotations

import pytest

from claude_route.metrics import labels
from claude_route.profile import profiles

PROFILE = profiles.parse(
    """
providers:
  anthropic: {base_url: "https://api.anthropic.com"}
  zai: {base_url: "https://api.z.ai", auth: none}
models:
  glm: zai/glm-5
  claude-*: anthropic/claude-*
""",
    {},
    "p.yaml",
)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("glm", "glm"),
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-made-up", "claude-*"),
        ("unknown", "other"),
        ("", "other"),
    ],
)
def test_model(name: str, label: str) -> None:
    names = labels.Names()
    names.answered("claude-opus-5-5", "anthropic/claude-opus-5-5")
    assert names.model(name, PROFILE) == label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("", ""),
        ("zai/glm-5", "zai/glm-5"),
        ("anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("anthropic/claude-made-up", "anthropic/*"),
        ("gone/model", "other"),
    ],
)
def test_target(name: str, label: str) -> None:
    names = labels.Names()
    names.answered("claude-opus-5-5", "anthropic/claude-opus-5-5")
    assert names.target(name, PROFILE) == label


def test_there_are_only_so_many() -> None:
    names = labels.Names()
    for number in range(1000):
        names.answered(f"claude-{number}", f"anthropic/claude-{number}")
    models = {names.model(f"claude-{number}", PROFILE) for number in range(1000)}
    targets = {names.target(f"anthropic/claude-{number}", PROFILE) for number in range(1000)}
    assert len(models) == len(targets) == labels.MOST + 1


@pytest.mark.parametrize(
    ("code", "label"),
    [(0, "0"), (200, "200"), (529, "529"), (599, "5xx"), (499, "4xx"), (799, "other")],
)
def test_status(code: int, label: str) -> None:
    assert labels.status(code) == label
