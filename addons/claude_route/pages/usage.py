"""`GET /usage`: tokens and money over time, by client, model, session and more, from the ledger; and how clients
stand with their limits.

`?by=client,model,day&since=7d&until=2026-11-28&format=json|csv`. Browsers get a page.
"""

from __future__ import annotations

from claude_route.access import live_secrets
from claude_route.ledger import reports
from claude_route.pages import asking
from claude_route.pages import browser
from claude_route.pages import content
from claude_route.pages import parameters
from claude_route.pages import standings
from claude_route.pages import usage_html
from claude_route.proxy import state

FORMATS = ("json", "csv")

PARAMETERS = ("by", "since", "until", "format")

OFF = "This proxy keeps no ledger: its profile says `ledger: off`"


async def answer(
    question: asking.Question, in_force: state.State, sources: asking.Sources
) -> content.Content:
    """Without secrets: a ledger may have the names of models that clients have asked for.

    Raises:
    ValueError: a parameter is wrong, or none of PARAMETERS.
    LookupError: there is no ledger.
    ConnectionError: it doesn't answer.
    """
    shown = await _answer(question, in_force, sources)
    return shown._replace(body=live_secrets.hide(shown.body))


async def _answer(
    question: asking.Question, in_force: state.State, sources: asking.Sources
) -> content.Content:
    parameters.check(question.query, PARAMETERS)
    asked_format = parameters.choice(question.query, "format", FORMATS)
    viewer = question.viewer
    client = viewer.name if viewer and not question.sees_all else None
    limits = standings.rows(in_force, viewer)
    if not asked_format and browser.wants_html(question.accept):
        page = await usage_html.answer(question, client, sources, limits)
        if page is None:
            raise LookupError(OFF)
        return content.Content("text/html; charset=utf-8", page)
    report = await sources.report(reports.read(question.query, sources.clock(), client=client))
    if report is None:
        raise LookupError(OFF)
    if asked_format == "csv":
        return content.Content("text/csv; charset=utf-8", reports.to_csv(report).encode())
    return content.json({**reports.to_json(report), "limits": standings.to_json(limits)})
