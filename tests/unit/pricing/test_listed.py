from __future__ import annotations

import errno
import io
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time

import genai_prices
import pytest
from genai_prices import data

from claude_route.dialects import usage
from claude_route.pricing import claude
from claude_route.pricing import listed
from tests import price_list

NOON = datetime.combine(date.fromisoformat(listed.LIST.as_of), time(12), UTC)


def test_the_list_is_what_the_pinned_version_has() -> None:
    made = price_list.made(date.fromisoformat(listed.LIST.as_of))
    assert listed.FILE.read_bytes() == made, "run: python -m tests.price_list"


def test_a_price_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(io, "open", open_)  # for pathlib
    listed.tariff.cache_clear()
    assert listed.tariff("zai", "http://127.0.0.1:9000", "glm-5")


@pytest.mark.parametrize(
    ("provider", "base_url", "model", "dollars"),
    [
        ("zai", "https://api.z.ai/api/anthropic", "glm-5", 1.0),
        ("glm", "https://api.z.ai/api/anthropic", "GLM-5", 1.0),
        ("zai", "http://127.0.0.1:9000", "glm-5", 1.0),
        ("or", "https://openrouter.ai/api/v1", "z-ai/glm-5", 1.0),
        ("openrouter", "http://127.0.0.1", "z-ai/glm-5", 1.0),
        ("moonshotai", "https://api.moonshot.ai/anthropic", "kimi-k2.5", 0.6),
        ("anthropic", "https://api.anthropic.com", "claude-opus-5-5", 4.0),
        ("vertex", "https://europe-west1-aiplatform.googleapis.com", "claude-opus-5-5", 4.0),
        # An address and a name that the list doesn't have: whoever makes the model.
        ("company", "https://models.company.example", "claude-opus-5-5", 4.0),
        ("company", "https://models.company.example", "gpt-5.2", 1.75),
        ("company", "https://models.company.example", "in-house-7b", None),
        ("zai", "https://api.z.ai/api/anthropic", "no-such-model", None),
        ("", "", "", None),
    ],
)
def test_tariff(provider: str, base_url: str, model: str, dollars: float | None) -> None:
    tariff = listed.tariff(provider, base_url, model)
    assert (tariff.base.input if tariff else None) == dollars


@pytest.mark.parametrize(
    ("clause", "text", "does_match"),
    [
        ({"equals": "a"}, "a", True),
        ({"equals": "a"}, "ab", False),
        ({"starts_with": "a"}, "ab", True),
        ({"ends_with": "b"}, "ab", True),
        ({"ends_with": "a"}, "ab", False),
        ({"contains": "b"}, "abc", True),
        ({"regex": "^a.c$"}, "abc", True),
        ({"regex": "^b"}, "abc", False),
        ({"or": [{"equals": "x"}, {"contains": "b"}]}, "abc", True),
        ({"and": [{"equals": "x"}, {"contains": "b"}]}, "abc", False),
        ({"and": [{"starts_with": "a"}, {"contains": "b"}]}, "abc", True),
    ],
)
def test_matches(clause: listed.Clause, text: str, does_match: bool) -> None:
    assert listed.matches(clause, text) is does_match


TOKENS = usage.Usage(1_000, 2_000, 150_000, 70_000, 20_000)


def test_costs_are_those_that_genai_prices_calculates() -> None:
    """For each model of each provider, by its id."""
    compared = 0
    for provider in data.providers:
        for model in provider.models:
            tariff = listed.tariff(provider.id, "", model.id)
            if tariff is None or provider.find_model(model.id) is not model:
                continue
            theirs = model.get_prices(NOON)
            calculated = theirs.calc_price(
                genai_prices.Usage(
                    input_tokens=TOKENS.prompt,
                    output_tokens=TOKENS.output,
                    cache_read_tokens=TOKENS.cache_read,
                    cache_write_tokens=TOKENS.cache_write,
                    cache_write_1h_tokens=TOKENS.cache_write_1h,
                )
            )
            ours = tariff.of(TOKENS)
            assert ours == pytest.approx(
                float(calculated["input_price"] + calculated["output_price"])
            ), (provider.id, model.id)
            compared += 1
    assert compared > 1500


@pytest.mark.parametrize("name", claude.LIST)
def test_both_lists_agree_about_claude(name: str) -> None:
    tariff = listed.tariff("anthropic", "", f"claude-{name}")
    if tariff is None:
        assert name in ("mythos-5", "mythos-5-1"), "only these are missing"
    elif name != "sonnet-4-5":  # whose long prompts cost more in theirs; no longer at Anthropic
        for used in (TOKENS, usage.Usage(1000, 1000)):
            assert tariff.of(used) == pytest.approx(claude.LIST[name].of(used))
