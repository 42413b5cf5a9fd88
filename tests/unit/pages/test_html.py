from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from claude_route.pages import html as status_html
from claude_route.pages import status
from claude_route.routing import pool_tokens
from claude_route.routing import stats

NOW = 1_700_000_000.0

ROW = pool_tokens.Row(
    place=2,
    label="token 2 …wxyz",
    kind="oauth",
    state="available",
    left=0.0,
    families={},
    five_hour=0.34,
    seven_day=None,
    sessions=3,
    requests=1200,
    reason="",
)

TARGET = status.Target(
    name="zai/glm-5",
    state="up",
    missing=(),
    attempts=10,
    failures=1,
    last_error="429",
    last_error_at=NOW - 180,
)

MODEL = stats.Model(
    name="claude-opus-5-5",
    requests=10,
    errors=1,
    per_minute=2.0,
    first_byte=stats.Times(0.45, 4.1, 10),
    tokens_in=26_000,
    tokens_cached=21_000,
    tokens_out=700,
)

STATUS = status.Status(
    now=NOW,
    started_at=NOW - 11_100,
    profile="default",
    in_flight=2,
    mode="rotate",
    strategy="session",
    tokens=(ROW,),
    targets=(TARGET,),
    models=(MODEL,),
)


def text(shown: status.Status) -> str:
    """The visible text, on one line."""
    page = status_html.page(shown).decode()
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_page() -> None:
    shown = text(STATUS)
    assert "Profile default , up for 3 h 5 min" in shown
    assert (
        "Requests per minute 2.0 In progress 2 Tokens available 1 of 1 Targets failing 0" in shown
    )
    assert text(replace(STATUS, client="alice")).count("Of alice · Profile default ,") == 1
    assert "2 …wxyz available 34 % 34 % unknown 3 1.2k" in shown
    assert "zai/glm-5 up 10 1 429 3 min ago" in shown
    assert "claude-opus-5-5 10 2.0 1 450 ms 4.1 s 26.0k 81 % 700" in shown


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"state": "resting", "left": 2820.0, "reason": "429, 5h"}, "resting 47 min 429, 5h"),
        ({"state": "disabled", "reason": "token has been revoked"}, "disabled token has been"),
        (
            {"families": {"opus": 7200.0}, "reason": "429, 7d_opus"},
            "available opus resting 2 h 429, 7d_opus",
        ),
        ({"reason": "429, 5h"}, "available 34 %"),
        ({"five_hour": 1.2}, "120 % 120 %"),
        ({"label": "token 2"}, "2 available"),
        ({"label": "token 2 alice …wxyz", "name": "alice"}, "2 alice …wxyz available"),
    ],
)
def test_token(changes: dict[str, Any], words: str) -> None:
    assert words in text(replace(STATUS, tokens=(ROW._replace(**changes),)))


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"state": "unusable", "missing": ("A", "B")}, "zai/glm-5 unusable A and B not set"),
        ({"state": "not asked", "last_error_at": None}, "not asked 10 1 none"),
        ({"state": "skipped"}, "Targets failing 1"),
        ({"state": "failing"}, "Targets failing 1"),
    ],
)
def test_target(changes: dict[str, Any], words: str) -> None:
    assert words in text(replace(STATUS, targets=(replace(TARGET, **changes),)))


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"tokens": ()}, "The pool is empty"),
        ({"tokens": ()}, "Tokens available –"),
        ({"models": ()}, "No requests yet"),
        ({"models": (replace(MODEL, first_byte=None, tokens_cached=0),)}, "2.0 1 – 26.0k 700"),
        ({"mode": "passthrough"}, "only for requests that ask for it"),
        ({"strategy": "least-used"}, "Each request gets the least used token"),
    ],
)
def test_empty_or_unused_parts(changes: dict[str, Any], words: str) -> None:
    assert words in text(replace(STATUS, **changes))


HOSTILE = "<script>alert(1)</script>\"' onload=x&amp;{{ 1 }}"


def test_text_from_others_is_escaped() -> None:
    page = status_html.page(
        replace(
            STATUS,
            profile=HOSTILE,
            tokens=(ROW._replace(state="disabled", reason=HOSTILE, families={HOSTILE: 3.0}),),
            targets=(replace(TARGET, name=HOSTILE, last_error=HOSTILE, missing=(HOSTILE,)),),
            models=(replace(MODEL, name=HOSTILE),),
        )
    ).decode()
    parser = Parser()
    parser.feed(page)
    assert parser.tags == Parser.of(STATUS) | {"small"}
    assert parser.attributes <= Parser.attributes_of(STATUS)
    assert "".join(parser.texts).count(HOSTILE) == 7


class Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    @classmethod
    def of(cls, shown: status.Status) -> set[str]:
        parser = cls()
        parser.feed(status_html.page(shown).decode())
        return parser.tags

    @classmethod
    def attributes_of(cls, shown: status.Status) -> set[str]:
        parser = cls()
        parser.feed(status_html.page(shown).decode())
        return parser.attributes

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_nothing_comes_from_elsewhere() -> None:
    page = status_html.page(STATUS).decode()
    assert re.findall(r'(?:href|src)="([^"]*)"', page) == [
        *("data:,", "base.css", "base.js", "status.css", "status.js", "#content"),
        *("sessions", "usage", "status", "./"),
    ]
    # mitmweb allows no script within a page.
    assert "<script>" not in page
    assert "style=" not in page
