from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects import fold
from claude_route.dialects import usage
from claude_route.text import layout
from claude_route.watch.views import answers
from claude_route.watch.views.answers import About

TEXT = {"type": "text", "text": "Done."}


def answer(**fields: Any) -> fold.Answer:
    given: dict[str, Any] = {"id": "msg_1", "model": "m", "blocks": [TEXT], **fields}
    return fold.Answer(**given)


def test_a_page() -> None:
    whole = answer(
        stop="end_turn",
        usage=usage.Usage(300, 156, 18_000, 3_000),
        complete=True,
        events=45,
        pings=2,
        unread=1,
    )
    about = About("opus → zai/glm-5", cost=0.01234, first_byte=0.8, duration=4.1)
    assert answers.render(whole, about).splitlines() == [
        "opus → zai/glm-5",
        "complete · stop reason end_turn · first byte after 800 ms · 4.1 s in all",
        "$0.0123 · in 21.3k (18.0k from cache, 3.0k to cache, 300 not cached) · out 156",
        "msg_1 · 45 events · 2 of them pings · 1 that could not be parsed",
        layout.rule("1/1 text"),
        "  Done.",
    ]


@pytest.mark.parametrize(
    ("fields", "running", "state"),
    [
        ({"complete": True, "stop": "end_turn"}, True, "complete · stop reason end_turn"),
        ({"complete": True}, False, "complete"),
        (
            {"complete": True, "stop": "stop_sequence", "stop_sequence": "END"},
            False,
            "complete · stop reason stop_sequence 'END'",
        ),
        ({}, True, "◌ STREAMING"),
        ({}, False, "✗ INCOMPLETE: the stream was interrupted"),
        (
            {"stop": "end_turn"},
            False,
            "✗ INCOMPLETE: the stream was interrupted · stop reason end_turn",
        ),
        ({"error": ("overloaded_error", "no")}, True, "✗ overloaded_error"),
    ],
)
def test_state(fields: dict[str, Any], running: bool, state: str) -> None:
    page = answers.render(answer(**fields), About(running=running)).splitlines()
    assert page[:2] == ["m", state]


def test_an_error_comes_after_what_was_said() -> None:
    page = answers.render(answer(error=("api_error", "It was interrupted")), About()).splitlines()
    assert page[-4:] == [
        layout.rule("1/1 text"),
        "  Done.",
        layout.rule("error api_error"),
        "  It was interrupted",
    ]


@pytest.mark.parametrize(
    ("used", "running", "line"),
    [
        (usage.Usage(300, 5), False, "in 300 · out 5"),
        (usage.Usage(0, 5, 300), False, "in 300 · out 5"),
        (usage.Usage(300, 1), True, "in 300"),
    ],
)
def test_usage(used: usage.Usage, running: bool, line: str) -> None:
    assert line in answers.render(answer(usage=used), About(running=running)).splitlines()


@pytest.mark.parametrize("running", [True, False])
def test_a_long_answer_fits_and_shows_its_end(running: bool) -> None:
    text = "\n".join(f"line {number}" for number in range(5000))
    long = answer(blocks=[{"type": "text", "text": text}], complete=not running)
    lines = answers.render(long, About(running=running)).splitlines()
    assert len(lines) == layout.MAX_LINES
    assert lines[-1] == "  line 4999"
    assert "  line 0" in lines
    assert sum("not shown (" in line for line in lines) == 1
    assert len(answers.render(long, About(), full=True).splitlines()) > 5000
