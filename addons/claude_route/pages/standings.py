"""How clients stand with their limits: `budget`, `tokens_per_day` and `requests_per_minute`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import Literal
from typing import NamedTuple

from claude_route.access import clients
from claude_route.profile import clients as profile_clients
from claude_route.profile import limits
from claude_route.proxy import state
from claude_route.routing import budgets
from claude_route.text import quantities

NAMED = 5
"""Clients that one line names."""


class Row(NamedTuple):
    """A client, and one of its limits."""

    client: str
    unit: Literal["dollars", "tokens", "requests"]
    period: Literal["minute", "day", "week", "month"]
    used: float
    reserved: float
    """What requests under way may use beyond that."""
    limit: float
    resets: float | None
    """Unix seconds; None for the rate, which is of the last minute at any time."""

    @property
    def share(self) -> float:
        """How much of the limit is used: 1 is all of it."""
        return self.used / self.limit

    @property
    def is_over(self) -> bool:
        return self.unit != "requests" and self.used >= self.limit


async def learn(in_force: state.State) -> None:
    """Have `rows` know what other instances know. Takes half a second at most."""
    await in_force.gate.look(_limited(in_force))


def rows(in_force: state.State, viewer: clients.Client | None = None) -> list[Row]:
    """By client, the one that has used most of one of its limits first. A viewer who is no admin sees its own
    only; None: all."""
    own = viewer.name if viewer and not viewer.is_admin else None
    by_client = [
        list(_rows(client, in_force.gate.overview(client)))
        for client in _limited(in_force)
        if own is None or client.name == own
    ]
    by_client.sort(key=lambda rows: (-max(row.share for row in rows), rows[0].client))
    return [row for rows in by_client for row in rows]


def allowed(row: Row) -> str:
    """`$20.00 a day`, `5.0M tokens a day`, `60 requests a minute`"""
    what = "" if row.unit == "dollars" else f" {row.unit}"
    return f"{in_unit(row, row.limit)}{what} a {row.period}"


def in_unit(row: Row, amount: float) -> str:
    """An amount of what is limited."""
    return quantities.in_unit(amount, row.unit)


def begins_again(row: Row) -> str:
    """`Dec 1, 00:00`, in UTC; empty for the rate."""
    if row.resets is None:
        return ""
    moment = datetime.datetime.fromtimestamp(row.resets, datetime.UTC)
    return f"{moment:%b} {moment.day}, {moment:%H:%M}"


def in_words(over: Sequence[Row]) -> str:
    """`alice ($20.00 a day, until Dec 1, 00:00 UTC), bob (…) and 3 more`; empty if there are none."""
    named = [
        f"{row.client} ({allowed(row)}, until {begins_again(row)} UTC)" for row in over[:NAMED]
    ]
    more = len(over) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def to_json(shown: Sequence[Row]) -> list[dict[str, Any]]:
    """Keys may be added, but never removed."""
    return [row._asdict() | {"resets": row.resets and quantities.utc(row.resets)} for row in shown]


def _limited(in_force: state.State) -> list[profile_clients.Client]:
    every = in_force.profile.clients.values()
    return [client for client in every if client.limits != limits.NONE]


def _rows(client: profile_clients.Client, overview: budgets.Overview) -> Iterator[Row]:
    for standing in overview.standings:
        yield Row(
            client.name,
            standing.unit,
            standing.period,
            standing.used,
            overview.reserved.dollars if standing.unit == "dollars" else overview.reserved.tokens,
            standing.limit,
            standing.resets,
        )
    if rate := client.limits.requests_per_minute:
        yield Row(client.name, "requests", "minute", overview.requests, 0, rate, None)
