from __future__ import annotations

import pytest

from claude_route.dialects import claude_models


@pytest.mark.parametrize(
    ("model", "refuses_force", "binds_thinking"),
    [
        ("claude-fable-5", False, False),
        ("claude-fable-5-1", True, False),
        ("claude-fable-5-2", True, True),
        ("claude-mythos-5-2", True, True),
        ("claude-mythos-5-20260101", False, False),
        ("claude-sonnet-5", False, False),
        ("claude-sonnet-5-5", True, True),
        ("claude-sonnet-5-5-20260901", True, True),
        ("claude-sonnet-5-20260101", False, False),
        ("anthropic/claude-sonnet-5.5", True, True),
        ("us.anthropic.claude-fable-5-2-v1:0", True, True),
        ("claude-opus-5-5", False, False),
        ("glm-5", False, False),
    ],
)
def test_what_the_newest_models_refuse(
    model: str, refuses_force: bool, binds_thinking: bool
) -> None:
    assert claude_models.refuses_force(model) is refuses_force
    assert claude_models.binds_thinking(model) is binds_thinking


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("claude-haiku-4-5-20251001", {"adaptive", "between_tools"}),
        ("claude-sonnet-4-20250514", {"adaptive", "between_tools"}),
        ("claude-opus-4-6", {"between_tools"}),
        ("claude-opus-4-8", {"enabled", "between_tools"}),
        ("claude-opus-5", {"enabled", "between_tools"}),
        ("claude-opus-5-5", {"enabled", "disabled", "between_tools"}),
        ("claude-haiku-5-5", {"enabled", "between_tools"}),
        ("claude-sonnet-5-5", {"enabled", "disabled"}),
        ("claude-fable-5-2", {"enabled", "disabled", "between_tools"}),
        ("claude-mythos-5", {"enabled", "disabled", "between_tools"}),
        ("claude-3-opus-20240229", {"between_tools"}),
    ],
)
def test_the_modes_of_thinking_that_a_model_refuses(model: str, refused: set[str]) -> None:
    modes = ("adaptive", "enabled", "disabled", "between_tools")
    assert {mode for mode in modes if claude_models.refuses_thinking(model, mode)} == refused
