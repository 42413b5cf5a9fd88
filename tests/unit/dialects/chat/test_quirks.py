from __future__ import annotations

import pytest

from claude_route.dialects.chat import quirks
from claude_route.dialects.chat.quirks import Quirks
from tests.unit import chat_streams

OPENAI = Quirks(effort=False, ids="openai")
THINKS = Quirks(reasons=True, ids="openai")
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
        ("gpt-5.2", THINKS._replace(least="none")),
        ("gpt-10", THINKS),
        ("gpt-oss-120b", Quirks()),
        ("opus", Quirks()),
        ("qwen/qwen3.6-plus:free", Quirks()),
        ("mistralai/devstral-2", MISTRAL),
        ("magistral-medium", MISTRAL),
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
        (GOOGLE, "models/gemini-3-pro", Quirks(gemini=True)),
        (GOOGLE, "gemma-4", Quirks()),
        ("openrouter.ai", "google/gemini-3-pro", Quirks()),
        ("localhost", "mine", Quirks()),
    ],
)
def test_by_host(host: str, model: str, expected: Quirks) -> None:
    assert quirks.of(chat_streams.target(model, host=host)) == expected


@pytest.mark.parametrize(
    "quirks, id, expected",
    [
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
