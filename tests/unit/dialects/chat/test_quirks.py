from __future__ import annotations

from typing import Literal

import pytest

from claude_route.dialects.chat import quirks
from claude_route.dialects.chat.quirks import Quirks
from tests.unit import chat_streams

OPENAI = Quirks(effort=False, ids="openai")
THINKS = Quirks(reasons=True, ids="openai")
NO_EFFORT_WITH_TOOLS = THINKS._replace(least="none", tools_with_effort=False)
MISTRAL = Quirks(ids="mistral", in_turn=True)
MISTRALS_OWN = MISTRAL._replace(effort=False, refused=("stream_options", "user"))


@pytest.mark.parametrize(
    "model, expected",
    [
        ("gpt-4o-mini", OPENAI),
        ("chatgpt-4o-latest", OPENAI),
        ("gpt-3.5-turbo", OPENAI),
        ("o3", THINKS),
        ("openai/o4-mini", THINKS),
        ("gpt-5", THINKS._replace(least="minimal")),
        ("GPT-5-nano-2025-08-07", THINKS._replace(least="minimal")),
        ("gpt-5-codex", THINKS),
        ("gpt-5.1", THINKS._replace(least="none")),
        ("gpt-5.2", NO_EFFORT_WITH_TOOLS),
        ("openai/gpt-5.4-mini", NO_EFFORT_WITH_TOOLS),
        ("gpt-5.5-2026-04-23", NO_EFFORT_WITH_TOOLS),
        ("gpt-5.6-terra", NO_EFFORT_WITH_TOOLS),
        ("gpt-5.12", NO_EFFORT_WITH_TOOLS),
        ("gpt-5.2-pro", NO_EFFORT_WITH_TOOLS._replace(least="low")),
        ("gpt-10", THINKS),
        ("gpt-oss-120b", Quirks()),
        ("opus", Quirks()),
        ("qwen/qwen3.6-plus:free", Quirks()),
        ("mistralai/devstral-2", MISTRAL),
        ("magistral-medium", MISTRAL),
        ("anthropic/claude-opus-5.5", Quirks(ids="anthropic", cache="texts")),
        ("us.anthropic.claude-haiku-4-5", Quirks(ids="anthropic")),
    ],
)
def test_by_model(model: str, expected: Quirks) -> None:
    assert quirks.of(chat_streams.target(model)) == expected


GOOGLE = "generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    "host, model, expected",
    [
        ("api.mistral.ai", "mine", MISTRALS_OWN),
        ("api.mistral.ai", "devstral-latest", MISTRALS_OWN),
        ("integrate.api.nvidia.com", "mistralai/mistral-small-4", MISTRAL),
        (GOOGLE, "models/gemini-3-pro", Quirks(gemini=True, few_keywords=True)),
        ("gateway.example", "gemini-3-pro", Quirks(few_keywords=True)),
        (GOOGLE, "gemma-4", Quirks()),
        ("openrouter.ai", "google/gemini-3-pro", Quirks(few_keywords=True, cache="all")),
        ("openrouter.ai", "anthropic/claude-opus-5", Quirks(ids="anthropic", cache="all")),
        ("openrouter.ai", "qwen/qwen3-max", Quirks(cache="all")),
        ("openrouter.ai", "deepseek/deepseek-v4", Quirks()),
        ("openrouter.ai", "openai/gpt-5.6", THINKS._replace(least="none")),
        ("gateway.example", "anthropic/claude-opus-5", Quirks(ids="anthropic", cache="texts")),
        ("gateway.example", "eu.anthropic/claude-opus-5", Quirks(ids="anthropic", cache="texts")),
        ("api.groq.com", "llama-3.3-70b-versatile", Quirks(effort=False)),
        ("api.groq.com", "qwen/qwen3-32b", Quirks(effort=False)),
        ("api.groq.com", "openai/gpt-oss-120b", Quirks()),
        ("api.x.ai", "grok-4-0709", Quirks(effort=False)),
        ("api.x.ai", "grok-4.20-0309-reasoning", Quirks(effort=False)),
        ("api.x.ai", "grok-code-fast-1", Quirks(effort=False)),
        ("api.x.ai", "grok-4.3", Quirks()),
        ("api.x.ai", "grok-3-mini-fast", Quirks()),
        ("api.x.ai", "grok-4.20-multi-agent-0309", Quirks()),
        ("notx.ai", "grok-4", Quirks()),
        ("localhost", "mine", Quirks()),
    ],
)
def test_by_host(host: str, model: str, expected: Quirks) -> None:
    assert quirks.of(chat_streams.target(model, host=host)) == expected


def test_openrouter_by_the_providers_name() -> None:
    target = chat_streams.target("anthropic/claude-opus-5", name="openrouter", host="localhost")
    assert quirks.of(target) == Quirks(ids="anthropic", cache="all")


@pytest.mark.parametrize(
    ("cache", "type", "expected"),
    [
        ("no", "text", False),
        ("texts", "text", True),
        ("texts", "tool_result", False),
        ("all", "tool_result", True),
    ],
)
def test_caches(cache: Literal["no", "texts", "all"], type: str, expected: bool) -> None:
    assert Quirks(cache=cache).caches(type) is expected


@pytest.mark.parametrize(
    "quirks, id, expected",
    [
        (Quirks(ids="anthropic"), "functions.Read:0", "route_ZnVuY3Rpb25zLlJlYWQ6MA"),
        (Quirks(ids="anthropic"), "route_ZnVuY3Rpb25zLlJlYWQ6MA", "route_ZnVuY3Rpb25zLlJlYWQ6MA"),
        (Quirks(ids="anthropic"), "toolu_1", "toolu_1"),
        (Quirks(), "call_1", "call_1"),
        (Quirks(), "x" * 100, "x" * 100),
        (Quirks(), "route_ZnVuY3Rpb25zLlJlYWQ6MA", "functions.Read:0"),
        (OPENAI, "x" * 40, "x" * 40),
        (MISTRAL, "aBcDeFgH1", "aBcDeFgH1"),
    ],
)
def test_call_id(quirks: Quirks, id: str, expected: str) -> None:
    assert quirks.call_id(id) == expected


@pytest.mark.parametrize("quirks, length", [(OPENAI, 40), (MISTRAL, 9)])
def test_call_id_that_does_not_fit(quirks: Quirks, length: int) -> None:
    id = quirks.call_id("toolu_" + "x" * 60)
    assert len(id) == length
    assert id.isalnum()


def test_a_call_that_another_model_made() -> None:
    signature = {"thought_signature": "skip_thought_signature_validator"}
    assert Quirks(gemini=True).foreign_call == {"google": signature}
    assert Quirks().foreign_call is None


@pytest.mark.parametrize(
    "prompt, completion, total, output",
    [(9, 2, 11, 2), (32, 1, 143, 111), (9, 2, 0, 2), (0, 2, 50, 2)],
)
def test_output_tokens(prompt: int, completion: int, total: int, output: int) -> None:
    assert quirks.output_tokens(prompt, completion, total) == output
