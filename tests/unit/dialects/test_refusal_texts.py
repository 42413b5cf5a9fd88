from __future__ import annotations

import time

import pytest

from claude_route.dialects import refusal_texts
from claude_route.dialects.refusal_texts import Name


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("temperature is not supported with this model", [Name("temperature", True)]),
        ("temperature is not supported with the model m", [Name("temperature", True)]),
        ("temperature is not supported with tools", [Name("temperature", False)]),
        ("temperature is not supported together with top_p", [Name("temperature", False)]),
        ("Unsupported parameter(s): `a.b[0].c`", [Name("a.b[0].c", True)]),
        ("Error: HTTP 400 Unknown field: x", [Name("x", True)]),
        (
            "json: cannot unmarshal object into Go struct field ChatRequest.tool_choice of type string",
            [Name("tool_choice", False)],
        ),
        ("response_format json_schema is not supported", [Name("response_format", False)]),
        ("model gpt-9 is not supported", []),
        ("It seems that temperature is not supported", []),
        ("", []),
    ],
)
def test_names(message: str, names: list[Name]) -> None:
    """The wordings of each provider are in `test_refusals`."""
    assert list(refusal_texts.names(message)) == names


def test_prefixes() -> None:
    message = "litellm.BadRequestError: OpenAIException - Error code: 400 - No"
    assert refusal_texts.without_prefix(message) == "No"
    assert refusal_texts.without_prefix("No: litellm.Error: ") == "No: litellm.Error: "


@pytest.mark.parametrize(
    "text", ["1 validation error for " + " " * 60_000, "a." * 30_000, "x" * 60_000, "(" * 60_000]
)
def test_a_long_message_takes_no_time(text: str) -> None:
    began = time.thread_time()
    assert list(refusal_texts.names(text)) == []
    assert time.thread_time() - began < 3


def test_a_limit_that_is_no_number() -> None:
    assert not list(refusal_texts.names(f"max_tokens: 1 > {'9' * 5000}, which is the maximum"))
