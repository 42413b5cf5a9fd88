from __future__ import annotations

import pytest

from claude_route.routing import failures
from claude_route.routing.failures import Kind


@pytest.mark.parametrize(
    ("kind", "is_silence", "is_answer"),
    [
        (Kind.CONNECT, True, False),
        (Kind.ABSENT, True, False),
        (Kind.BARRED, True, False),
        (Kind.TIMEOUT, True, False),
        (Kind.RESET, False, False),
        (Kind.STATUS, False, True),
        (Kind.EVENT, False, True),
        (Kind.LOCAL, False, False),
    ],
)
def test_kinds(kind: failures.Kind, is_silence: bool, is_answer: bool) -> None:
    assert (kind.is_silence, kind.is_answer) == (is_silence, is_answer)
    assert str(kind) == kind.name.lower()
