"""The status page as HTML. The template escapes all text from clients and providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from claude_route.access import clients
from claude_route.pages import rendering
from claude_route.pages import standings
from claude_route.pages import status
from claude_route.proxy import state
from claude_route.routing import stats

STRATEGIES = {
    "session": "A new session gets the next token and keeps it",
    "round-robin": "Each request gets the next token",
    "least-used": "Each request gets the least used token",
}


class Section(NamedTuple):
    """A table of requests, a row for each model."""

    id: str
    title: str
    note: str
    column: str
    """The heading of the models' names."""
    rows: Sequence[stats.Model]
    empty: str
    """What stands in place of an empty table; without it, there is no such section."""


def sections(shown: status.Status) -> tuple[Section, ...]:
    return (
        Section("models", "Models", "", "Requested model", shown.models, "No requests yet."),
        Section("checks", "Checks of tool calls", "auto mode", "Asked", shown.checks, ""),
    )


def answer(
    in_force: state.State, viewer: clients.Client | None = None, *, in_mitmweb: bool
) -> bytes:
    return page(status.seen(in_force, viewer), in_mitmweb=in_mitmweb)


def page(shown: status.Status, *, in_mitmweb: bool = False) -> bytes:
    return rendering.render(
        "status.html",
        rendering.Frame(in_mitmweb=in_mitmweb),
        status=shown,
        sections=sections(shown),
        available=sum(row.state == "available" for row in shown.tokens),
        failing=sum(row.state in ("skipped", "failing") for row in shown.targets),
        over=standings.in_words(shown.over),
        strategies=STRATEGIES,
    )
