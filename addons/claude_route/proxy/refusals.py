"""What a client is told that has reached one of its limits, and how it stands with them.

https://code.claude.com/docs/en/claude-apps-gateway-spend-limits: the statuses, headers and words are those
of Anthropic's own gateway, from which Claude Code makes its warnings.
"""

from __future__ import annotations

import functools
import math

from mitmproxy import http

from claude_route.dialects import envelope
from claude_route.profile import limits
from claude_route.routing import budgets
from claude_route.routing import calendar
from claude_route.text import quantities
from claude_route.wire import http_message

UNIFIED = "anthropic-ratelimit-unified-"
_UNIFIED = UNIFIED.encode()

WARNINGS = (0.95, 0.75)
"""Shares of a limit from which on Claude Code warns."""

BUSY = 5
"""Seconds until a request may find that those under way have left something."""

LONGEST = 60
"""Seconds: after a longer `retry-after` Claude Code gives up at once."""

PERIODS: dict[limits.Period, str] = {"day": "daily", "week": "weekly", "month": "monthly"}

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def response(
    client: str, decision: budgets.Decision, most: int | None, now: float
) -> http.Response:
    """The refusal of a request. `most` is how many the client may send within a minute."""
    standing = decision.standing
    match decision.refusal:
        case "use" if standing:
            return _used_up(client, standing, now)
        case "busy" if standing:
            return _later(
                f"Requests of {client} that are under way may use up what is left of {words(standing)}. "
                "Ask again when they are over",
                BUSY,
            )
        case _:
            return _later(
                f"{client} may send {quantities.counted(most or 0, 'request')} within a minute, and has "
                f"sent {'it' if most == 1 else 'them'}",
                decision.wait,
            )


def _later(message: str, wait: float) -> http.Response:
    seconds = min(max(math.ceil(wait), 1), LONGEST)
    headers = {
        "content-type": "application/json",
        "retry-after": str(seconds),
        "x-should-retry": "true",
    }
    return http.Response.make(429, envelope.body("rate_limit_error", message), headers)


def _used_up(client: str, standing: budgets.Standing, now: float) -> http.Response:
    day = calendar.today(standing.resets)
    # The first two parts are Anthropic's own: Claude Code puts the local time into them.
    message = (
        f"spend limit reached · resets {MONTHS[day.month - 1]} {day.day} · {client} has used up "
        f"{words(standing)}, which begins again on {day} at 00:00 UTC"
    )
    headers = {
        "content-type": "application/json",
        "retry-after": str(max(math.ceil(standing.resets - now), 1)),
        "x-should-retry": "false",
        **unified(standing),
    }
    return http.Response.make(429, envelope.body("billing_error", message), headers)


def words(standing: budgets.Standing) -> str:
    """`the day's budget of $20.00 ($20.13 used)`"""
    if standing.unit == "tokens":
        limit, used = quantities.short(int(standing.limit)), quantities.short(int(standing.used))
        return f"the {standing.period}'s {limit} tokens ({used} used)"
    limit, used = quantities.dollars(standing.limit), quantities.dollars(standing.used)
    return f"the {standing.period}'s budget of {limit} ({used} used)"


def in_place(
    fields: http_message.Fields, standing: budgets.Standing
) -> tuple[http_message.Field, ...]:
    """The headers of an answer, with how its client stands in place of what the upstream says about others."""
    kept = [field for field in fields if not field[0].lower().startswith(_UNIFIED)]
    share = round(standing.share, 2)
    return (*kept, *_allowed(standing.period, int(standing.resets), share, _passed(standing)))


def unified(standing: budgets.Standing) -> dict[str, str]:
    """The headers from which Claude Code learns that a limit is used up."""
    fields = {
        **_shared(int(standing.resets), round(standing.share, 2)),
        "status": "rejected",
        "overage-surpassed-threshold": "1",
        "overage-period": PERIODS[standing.period],
        "overage-disabled-reason": "org_spend_cap_reached",
    }
    return {f"{UNIFIED}{name}": value for name, value in fields.items()}


@functools.lru_cache(256)
def _allowed(
    period: limits.Period, resets: int, share: float, passed: float | None
) -> tuple[http_message.Field, ...]:
    """The same for a limit that isn't used up, or is while another model has answered. They change once a
    hundredth of the limit is used."""
    status = "allowed_warning" if passed else "allowed"
    fields = {
        **_shared(resets, min(share, 0.99)),
        "status": status,
        "representative-claim": "overage",
        "overage-status": status,
        "overage-period": PERIODS[period],
    }
    if passed:
        fields["overage-surpassed-threshold"] = f"{passed:g}"
    return tuple((f"{UNIFIED}{name}".encode(), value.encode()) for name, value in fields.items())


def _shared(resets: int, share: float) -> dict[str, str]:
    return {
        "reset": str(resets),
        "overage-reset": str(resets),
        "overage-utilization": f"{share:g}",
    }


def _passed(standing: budgets.Standing) -> float | None:
    """The share from which on Claude Code warns, if it is passed."""
    return next((each for each in WARNINGS if standing.share > each), None)
