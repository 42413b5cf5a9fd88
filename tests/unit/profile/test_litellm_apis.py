from __future__ import annotations

import pytest

from claude_route.profile import litellm_apis


@pytest.mark.parametrize(
    ("model", "named", "has_base", "expected"),
    [
        ("anthropic/claude-x", "", False, ("anthropic", "claude-x")),
        ("openrouter/qwen/qwen3", "", False, ("openrouter", "qwen/qwen3")),
        ("qwen/qwen3", "openrouter", False, ("openrouter", "qwen/qwen3")),
        ("openrouter/qwen/qwen3", "openrouter", False, ("openrouter", "qwen/qwen3")),
        ("claude-x", "", False, ("anthropic", "claude-x")),
        ("*", "", False, ("anthropic", "*")),
        ("o3", "", False, ("openai", "o3")),
        ("gemini-3-pro", "", False, ("gemini", "gemini-3-pro")),
        ("llama", "", True, ("openai", "llama")),
        ("openai/emberjs-coder", "", False, ("openai", "emberjs-coder")),
    ],
)
def test_api_of(model: str, named: str, has_base: bool, expected: tuple[str, str]) -> None:
    assert litellm_apis.api_of(model, named, has_base=has_base) == expected


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("llama", ""),
        ("*x", ""),
        ("azure/gpt-5", ""),
        ("gpt-5", "azure"),
        ("openai/text-embedding-3-small", ""),
        ("openai/tts-1-hd", ""),
        ("gemini/imagen-4", ""),
    ],
)
def test_what_is_not_taken(model: str, named: str) -> None:
    with pytest.raises(litellm_apis.NotTakenError, match=r"^expected "):
        litellm_apis.api_of(model, named, has_base=False)
