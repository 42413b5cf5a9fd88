"""The attempts themselves are tested with the layer."""

from __future__ import annotations

import pytest

from claude_route.proxy import attempts
from claude_route.proxy.upstream import answer


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TimeoutError("whatever"), "silent for 2.5 s"),
        (answer.OverdueError("no end after 60 s"), "no end after 60 s"),
    ],
)
def test_why_an_answer_is_given_up(error: TimeoutError, why: str) -> None:
    assert attempts.overdue(error, 2.5) == why
