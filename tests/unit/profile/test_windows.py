from __future__ import annotations

import pytest

from claude_route.profile import profiles
from claude_route.profile import windows

PROVIDERS = """
providers:
  anthropic: {base_url: "https://api.anthropic.com", context: 1000}
  zai: {base_url: "https://api.z.ai", auth: none, models: {glm-5: {context: 200000}}}
  ollama: {base_url: "http://127.0.0.1:11434", context: 65536, models: {"big*": {context: 262144}}}
  kimi: {base_url: "https://api.kimi.com", auth: none}
"""


@pytest.mark.parametrize(
    ("models", "window"),
    [
        ("{kimi: kimi/k2}", None),
        ("{glm: zai/glm-5}", 200000),
        ("{glm: zai/glm-4}", None),
        ("{glm: zai/glm-5, kimi: kimi/k2}", 200000),
        ("{glm: zai/glm-5, local: ollama/qwen}", 65536),
        ("{ollama/*: ollama/*}", 65536),
        ("{b: ollama/big-one}", 262144),
        ("{claude-*: ollama/qwen}", None),
        ("{claude-*: anthropic/claude-*, glm: zai/glm-5}", 200000),
        ("{claude-route/glm: zai/glm-5}", 200000),
    ],
)
def test_the_smallest_window(models: str, window: int | None) -> None:
    profile = profiles.parse(f"{PROVIDERS}models: {models}", {}, "p.yaml")
    assert windows.smallest(profile) == window
