from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from claude_route.ledger import reports
from claude_route.pages import asking
from claude_route.pages import standings
from claude_route.pages import usage_html
from tests.unit import states

HOSTILE = "<script>alert('x')</script>&\""
ROW = reports.Row((HOSTILE,), 2, 1, 10, 20, 30, 40, 1_500_000_000, 0)


async def page(
    *rows: reports.Row,
    client: str | None = None,
    limits: Sequence[standings.Row] = (),
    **query: str,
) -> str:
    question = asking.Question(query, "text/html", None, in_mitmweb=query.pop("web", "") != "")
    html = await usage_html.answer(question, client, states.sources(*rows), limits)
    assert html
    return html.decode()


async def test_hostile_text_is_escaped() -> None:
    for group in usage_html.GROUPS:
        html = await page(ROW, by=group, since="7d", x=HOSTILE)
        assert "<script>" not in html
        assert "alert(&#39;x&#39;)" in html
    assert "<script>" not in await page(ROW, client=HOSTILE)


async def test_nothing_from_outside_and_no_style_that_the_policy_forbids() -> None:
    html = await page(ROW)
    assert "http" not in re.sub(r"<meta [^>]*>", "", html)
    assert " style=" not in html and "<style" not in html


async def test_a_chart_of_days_or_hours() -> None:
    async def report(query: reports.Query) -> reports.Report:
        key = {"day": "2026-11-28", "hour": "2026-11-28T17", "model": "glm", "session": "s"}
        row = reports.Row(tuple(key[name] for name in query.by), 1, 0, 1, 1, 1, 1, 10**9)
        asked.append(query.by)
        return reports.Report(query, [row], row._replace(key=()))

    asked: list[Any] = []
    sources = asking.Sources(report, lambda: b"", lambda: 1795887000.0)
    for query in ({}, {"since": "24h"}, {"by": "session"}):
        html = await usage_html.answer(asking.Question(query, "", None), None, sources)
        assert html and html.count(b"<rect") == 1, query
    assert asked == [
        *(("model",), ("day", "model"), ("model",), ("hour", "model"), ("session",), ("day",)),
    ]


async def test_tokens_where_no_price_is_known() -> None:
    html = await page(reports.Row(("local",), 1, 0, 1000, 1000, 0, 0, 0, 1))
    assert "<small>tokens, UTC" in html
    assert "price isn’t known" in html
    assert ">unknown<" in html


async def test_an_empty_ledger() -> None:
    assert "No requests in this period" in await page()


async def test_limits() -> None:
    assert "limit" not in await page(ROW)
    rows = [
        standings.Row("alice", "dollars", "day", 25, 0.5, 20, 86400.0),
        standings.Row("alice", "requests", "minute", 3, 0, 60, None),
    ]
    html = await page(ROW, limits=rows)
    cells = re.findall(
        r"<t[hd] role=\"(?:row|ce)[^>]*>(.*?)</t[hd]>", html.partition('id="limits"')[2]
    )
    texts = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells]
    assert texts == [
        *("alice", "$20.00 a day", "125 % $25.00 125 %", "$0.50", "Jan 2, 00:00"),
        *("alice", "60 requests a minute", "5 % 3 5 %", "–", "–"),
    ]
    assert '<span class="bad">$25.00</span>' in html
    assert 'Nearest limit</a></dt><dd class="bad">125 %</dd>' in html
    many = await page(ROW, limits=rows * usage_html.SHOWN)
    assert many.count("<meter") == usage_html.SHOWN
    assert f"{usage_html.SHOWN} more, of which less is used" in many


async def test_links_keep_what_was_asked() -> None:
    html = await page(ROW, by="session", since="7d")
    assert 'href="?by=session&amp;since=24h"' in html
    assert '<a href="?by=session&amp;since=7d" aria-current="true">7 days</a>' in html
    assert "by=day%2Csession&amp;since=7d&amp;format=csv" in html
    assert ">Flows</a>" not in html
    assert '<a href="./">Flows</a>' in await page(ROW, web="1")


def test_label() -> None:
    names = [usage_html.label(group, "") for group in ("client", "target", "session")]
    assert names == ["(no key)", "(nobody asked)", "(none)"]
    assert usage_html.label("client", "alice") == "alice"
