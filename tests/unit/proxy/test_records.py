from __future__ import annotations

import pytest

from claude_route.proxy import records


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("é 🙂", "é 🙂"),
        ("a\x00b\nc", "a�b�c"),
        ("\udcff", "?"),
        ("x" * 5000, "x" * records.LONGEST),
        ("", ""),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert records.plain(text) == expected


def test_what_nobody_answered_is_free() -> None:
    assert (records.FREE.dollars, records.FREE.charged) == (0, 0)
