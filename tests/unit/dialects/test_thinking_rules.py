from __future__ import annotations

import pytest

from claude_route.dialects import thinking_rules
from tests.unit import examples

OFF = {"thinking": {"type": "disabled"}}
TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}


@pytest.mark.parametrize(
    "url, model, rules",
    [
        ("https://api.deepseek.com/anthropic", "deepseek-v4-pro", (True, False, True, OFF, {})),
        ("https://deepseek.com", "deepseek-reasoner", (True, True, True, OFF, {})),
        ("https://api.moonshot.cn/anthropic", "kimi-k2.6", (True, False, True, OFF, {})),
        ("https://api.moonshot.ai/v1", "kimi-k3", (True, True, True, {}, {})),
        ("https://api.kimi.com/coding", "kimi-for-coding", (True, False, True, OFF, {})),
        ("https://api.xiaomimimo.com/anthropic", "mimo-v2", (True, False, False, OFF, {})),
        ("https://api.z.ai/api/anthropic", "glm-5", (False, False, False, OFF, {})),
        ("https://open.bigmodel.cn/api/anthropic", "glm-5.3", (False, True, False, {}, {})),
        ("https://x.aliyuncs.com", "qwen3-max", (False, False, True, {"enable_thinking": False}, {})),
        ("https://x.aliyuncs.com", "qwen3-32b-thinking", (False, True, True, {}, {})),
        ("https://openrouter.ai/api", "z-ai/glm-4.6",
         (False, False, False, {"reasoning": {"enabled": False}}, {})),
        ("https://openrouter.ai/api", "openai/gpt-5.1", (False, False, False, {}, {})),
        ("http://127.0.0.1:8000", "Qwen/Qwen3-Coder", (False, False, False, TEMPLATE, TEMPLATE)),
        ("http://[::1]:8000", "qwen3", (False, False, False, TEMPLATE, TEMPLATE)),
        ("http://10.0.0.7:8000", "glm-4.6", (False, False, False, TEMPLATE, TEMPLATE)),
        ("http://gpu.local:8000", "deepseek-v3.1", (False, False, False, TEMPLATE, TEMPLATE)),
        ("http://vllm:8000", "qwen3-235b-thinking-2507", (False, True, False, {}, {})),
        ("http://127.0.0.1:8000", "llama-4", (False, False, False, {}, {})),
        ("https://example.com", "qwen3", (False, False, False, {}, {})),
        ("https://deepseek.com.example.com", "m", (False, False, False, {}, {})),
    ],
)  # fmt: skip
def test_of(url: str, model: str, rules: tuple[object, ...]) -> None:
    assert thinking_rules.of(examples.target("p", model, base_url=url)) == rules
