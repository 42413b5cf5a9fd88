from __future__ import annotations

import pytest

from claude_route.pages.sessions import window
from tests.unit.pages.sessions import examples


def test_chart() -> None:
    session = examples.session().book.session(examples.SESSION)
    assert session
    drawn = window.chart(session.main)
    assert [bar.entry.turn.flow for bar in drawn.bars] == ["f1", "f2"]
    for bar in drawn.bars:
        assert sum(part.height for part in bar.parts) == pytest.approx(
            bar.tokens / drawn.top * 100, abs=0.1
        )
        assert min(part.y for part in bar.parts) >= 0
    assert sum(share.part for share in drawn.legend) == pytest.approx(1)


def test_a_turn() -> None:
    entry = examples.session().book.entry("f2")
    assert entry
    shares = window.of_turn(entry)
    assert sum(share.width for share in shares) == pytest.approx(window.WIDTH, abs=0.1)
    assert {"tools", "tools of jira", "system prompt"} <= {share.source for share in shares}


def test_others_share_a_colour() -> None:
    fill = {str(number): 100 - number for number in range(20)}
    shares = window.shares(fill, window._colours(fill))
    assert max(share.colour for share in shares) == window.COLOURS - 1
    parts = window._grouped(fill, window._colours(fill))
    assert len(parts) == window.COLOURS
    assert parts[-1][0] == window.OTHERS


def test_nothing() -> None:
    assert window.chart([]) == ((), 0, ())


def test_a_long_session_is_thinned() -> None:
    kept = examples.Kept()
    for number in range(window.MAX_BARS * 2 + 1):
        kept.add(f"f{number}", number, [examples.ASKED], [examples.ANSWERED])
    session = kept.book.session(examples.SESSION)
    assert session
    drawn = window.chart(session.main)
    assert len(drawn.bars) <= window.MAX_BARS
    assert drawn.bars[-1].entry is session.main[-1]
