from __future__ import annotations

import pytest

from claude_route.access import account_headers


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("anthropic-ratelimit-unified-status", False),
        ("Anthropic-Ratelimit-Unified-5h-Utilization", False),
        ("anthropic-ratelimit-unified-overage-disabled-reason", False),
        ("anthropic-ratelimit-requests-remaining", False),
        ("anthropic-priority-input-tokens-limit", False),
        ("anthropic-fast-output-tokens-reset", False),
        ("anthropic-organization-id", False),
        ("anthropic-workspace-id", False),
        ("openai-organization", False),
        ("x-ratelimit-limit-requests", False),
        ("ratelimit", False),
        ("anthropic-version", True),
        ("anthropic-beta", True),
        ("request-id", True),
        ("retry-after", True),
        ("x-should-retry", True),
        ("openai-processing-ms", True),
        ("content-type", True),
    ],
)
def test_without(name: str, is_kept: bool) -> None:
    field, other = (name.encode(), b"x"), (b"server", b"y")
    expected = (field, other) if is_kept else (other,)
    assert account_headers.without((field, other)) == expected
