from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects import stops
from tests import strict_client


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("end_turn", "end_turn"),
        ("stop", "end_turn"),
        ("LENGTH", "max_tokens"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("sensitive", "refusal"),
        ("eos", None),
        (None, None),
        ({}, None),
    ],
)
def test_reason(given: Any, reason: str | None) -> None:
    assert stops.reason(given) == reason


def test_the_client_knows_them_all() -> None:
    assert set(stops.REASONS.values()) <= set(strict_client.STOPS)


@pytest.mark.parametrize(
    ("given", "is_failure"),
    [
        ("network_error", True),
        ("error", True),
        ("MALFORMED_FUNCTION_CALL", True),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", True),
        ("stop", False),
        ("content_filter", False),
        ("", False),
        (None, False),
    ],
)
def test_is_failure(given: Any, is_failure: bool) -> None:
    assert stops.is_failure(given) is is_failure


def test_is_cut() -> None:
    assert stops.is_cut("length")
    assert stops.is_cut("model_context_window_exceeded")
    assert not stops.is_cut("refusal")
    assert not stops.is_cut(None)


def test_failure() -> None:
    assert stops.failure("abort") == "the provider ended its answer with abort"
