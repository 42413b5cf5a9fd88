from __future__ import annotations

import pytest

from claude_route.pages.sessions import rendering
from tests.unit.pages.sessions import examples


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("short", 10, "short"),
        ("some more words here", 13, "some more …"),
        ("x" * 20, 10, "x" * 10 + " …"),
    ],
)
def test_brief(text: str, length: int, expected: str) -> None:
    assert rendering.brief(text, length) == expected


def test_target() -> None:
    assert rendering.target("anthropic/claude-opus-5-5") == "opus-5-5"
    assert rendering.target("zai/glm-5") == "zai/glm-5"
    assert rendering.target("") == ""


def test_times() -> None:
    """In UTC, wherever the proxy is."""
    assert rendering.iso(0.5) == "1970-01-01T00:00:00.500Z"
    assert rendering.clock(3661) == "01:01:01"
    assert rendering.day(3661) == "1970-01-01 01:01"


def test_totals() -> None:
    session = examples.session().book.session(examples.SESSION)
    assert session
    assert rendering.totals(list(session.entries)) == rendering.Totals(300, 15, 0.75, 0.9)
    assert rendering.totals([]) == rendering.Totals(0, 0, None, 0.0)


def test_all_text_is_escaped() -> None:
    page = rendering.render(
        "block.html",
        rendering.View(),
        at_list=False,
        words=examples.SCRIPT,
        version="",
        shown=type("Shown", (), {"title": examples.SCRIPT, "sort": "x"}),
        url="u",
        html=examples.SCRIPT,
        size=9,
        MAX_RENDERED=8,
    )
    assert b"<script>doc" not in page
    assert page.count(b"&lt;script&gt;") == 4
    assert b"the first 8 of 9 characters" in page
