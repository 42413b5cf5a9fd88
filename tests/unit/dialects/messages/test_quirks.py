from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects.messages import quirks
from tests.unit import examples


@pytest.mark.parametrize(("name", "flat"), [("anthropic", True), ("zai", False)])
def test_only_anthropic_refuses_combined_schemas(name: str, flat: bool) -> None:
    assert quirks.of(examples.target(name)).flat_schemas == flat


@pytest.mark.parametrize(
    "name, model, sent",
    [
        ("anthropic", "claude-opus-5-5", "route_ZnVuY3Rpb25zLlJlYWQ6MA"),
        ("anthropic", "m", "route_ZnVuY3Rpb25zLlJlYWQ6MA"),
        ("openrouter", "anthropic/claude-opus-5.5", "route_ZnVuY3Rpb25zLlJlYWQ6MA"),
        ("bedrock", "us.anthropic.claude-opus-5-5", "route_ZnVuY3Rpb25zLlJlYWQ6MA"),
        ("kimi", "kimi-for-coding", "functions.Read:0"),
    ],
)
def test_call_id(name: str, model: str, sent: str) -> None:
    target_quirks = quirks.of(examples.target(name, model))
    assert target_quirks.call_id("functions.Read:0") == sent
    assert target_quirks.call_id("route_ZnVuY3Rpb25zLlJlYWQ6MA") == sent
    assert target_quirks.call_id("toolu_01A-b") == "toolu_01A-b"


@pytest.mark.parametrize(
    "name, model, settings, returned",
    [
        ("other", "m", {}, False),
        ("other", "m", {"reasoning": "required"}, True),
        ("other", "m", {"base_url": "https://api.deepseek.com/anthropic"}, True),
        ("other", "m", {"base_url": "https://api.moonshot.cn/anthropic"}, True),
        ("other", "m", {"base_url": "https://api.kimi.com/coding"}, True),
        ("other", "m", {"base_url": "https://notdeepseek.com"}, False),
        ("gateway", "deepseek-ai/DeepSeek-V4", {}, True),
        ("gateway", "moonshotai/kimi-k2.6", {}, True),
        ("gateway", "glm-5", {}, False),
        ("anthropic", "deepseek", {}, False),
    ],
)
def test_returned(name: str, model: str, settings: dict[str, Any], returned: bool) -> None:
    assert quirks.of(examples.target(name, model, **settings)).returned == returned
