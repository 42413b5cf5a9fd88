"""The usage page. The template escapes all text: clients choose the names of models and sessions."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from claude_route.ledger import reports
from claude_route.pages import asking
from claude_route.pages import chart
from claude_route.pages import rendering
from claude_route.pages import standings
from claude_route.text import quantities

GROUPS = ("client", "model", "session", "target", "agent", "token", "kind", "status")
"""What the table can be by; time is the chart's."""

PERIODS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "365d": "a year"}

HOURLY = 3 * chart.DAY
"""Seconds: shorter periods are shown by hour."""

SHOWN = 200
"""Rows of each table."""


class Link(NamedTuple):
    text: str
    url: str
    is_current: bool


async def answer(
    question: asking.Question,
    client: str | None,
    sources: asking.Sources,
    limits: Sequence[standings.Row] = (),
) -> bytes | None:
    """The page; None if there is no ledger. `client` is the only one whose usage is shown; `limits` is how
    clients stand with theirs.

    Raises:
        ValueError, ConnectionError: as `usage.answer`.
    """
    parameters = question.query
    asked = reports.read(parameters, sources.clock(), client=client)
    by = asked.by if parameters.get("by") else ()
    group = next((name for name in by if name in GROUPS), "model")
    table = await sources.report(asked._replace(by=(group,)))
    if table is None:
        return None
    now = min(asked.until, sources.clock())
    is_hourly = now - asked.since <= HOURLY
    slot = "hour" if is_hourly else "day"
    # One colour for all where there may be thousands.
    is_stacked = group not in ("session", "agent")
    columns = (slot, group) if is_stacked else (slot,)
    over_time = await sources.report(asked._replace(by=columns))
    assert over_time
    return render(question, asked, group, table, over_time, limits, now=now, hourly=is_hourly)


def render(
    question: asking.Question,
    asked: reports.Query,
    group: str,
    table: reports.Report,
    over_time: reports.Report,
    limits: Sequence[standings.Row],
    *,
    now: float,
    hourly: bool,
) -> bytes:
    # Without any prices, tokens are what there is to show.
    is_money = table.total.nano > 0 or not table.total.tokens
    values = {
        (row.key[0], row.key[-1] if len(row.key) > 1 else ""): (
            row.dollars if is_money else float(row.tokens)
        )
        for row in over_time.rows
    }
    is_stacked = len(over_time.query.by) > 1
    ranking = [row.key[0] for row in table.rows] if is_stacked else [""]
    drawn = chart.chart(chart.slots(asked.since, now, hourly=hourly), values, ranking)
    return rendering.render(
        "usage.html",
        rendering.Frame(in_mitmweb=question.in_mitmweb),
        asked=asked,
        group=group,
        rows=table.rows[:SHOWN],
        left_out=max(0, len(table.rows) - SHOWN),
        is_cut=table.is_cut,
        total=table.total,
        limits=limits[:SHOWN],
        nearest=max((row.share for row in limits), default=0.0),
        limits_left_out=max(0, len(limits) - SHOWN),
        allowed=standings.allowed,
        in_unit=standings.in_unit,
        begins_again=standings.begins_again,
        drawn=drawn,
        box=(chart.WIDTH, chart.HEIGHT),
        amount=quantities.dollars if is_money else quantities.short,
        what="US dollars" if is_money else "tokens",
        periods=list(links(question.query, "since", PERIODS, period(question.query))),
        groups=list(links(question.query, "by", {name: name for name in GROUPS[:4]}, group)),
        csv=_url({**question.query, "by": f"day,{group}", "format": "csv"}),
        label=label,
    )


def period(parameters: Mapping[str, str]) -> str:
    return parameters.get("since", f"{reports.DEFAULT_DAYS}d")


def links(
    parameters: Mapping[str, str], name: str, choices: Mapping[str, str], current: str
) -> list[Link]:
    return [
        Link(text, _url({**parameters, name: value}), value == current)
        for value, text in choices.items()
    ]


def _url(parameters: Mapping[str, str]) -> str:
    return f"?{urllib.parse.urlencode(parameters)}"


def label(group: str, name: str) -> str:
    """What stands in the place of no name."""
    if name:
        return name
    match group:
        case "client":
            return "(no key)"
        case "target":
            return "(nobody asked)"
        case _:
            return "(none)"
