"""What an error says about the account whose credential was used, rather than about the request.

Most texts are those that Claude Code matches; the others are from public reports.
"""

from __future__ import annotations

import re
from datetime import datetime

from claude_route.dialects import error_body

KINDS = ("authentication_error", "billing_error", "invalid_request_error", "permission_error")
"""The types of errors whose message may be about the account."""

REFUSAL_CODES = ("token_expired", "token_revoked", "invalid_grant")

_ACCOUNT = r"((this|your|the) )?(anthropic |claude )?(account|organization|subscription|workspace)"


def _sentences(*beginnings: str) -> re.Pattern[str]:
    """Messages that begin like one of these, in lower case.

    A request must not be able to write such a message, or a client could put tokens out of use for
    all: Anthropic repeats the names of fields, as in `foo: Extra inputs are not permitted`. So the
    words begin the message, end as a sentence does, and no colon comes after them. Even so they count
    only where they don't stand in the request (`echo.may_repeat`).
    """
    return re.compile(rf"({'|'.join(beginnings)})(?=$|[.,;!]| \(| ·| to access )(?!.*: )")


# Don't widen them: "web search is disabled for this organization" isn't about the credential.
REFUSALS = _sentences(
    r"oauth (access )?token has (been revoked|expired)",
    r"oauth token does not meet scope requirement [\w:]+",
    rf"{_ACCOUNT} (has been|is) (archived|banned|blocked|deactivated|disabled|suspended)",
    r"(api key|oauth) authentication is (currently )?(disabled|not allowed)"
    r"( for (this|your) organization)?",
    r"invalid (x-api-key|bearer token)",
)
"""The credential will not be accepted again."""

SPENT = _sentences(
    r"your credit balance is too low",
    r"you('re| are) out of (extra usage|(usage )?credits?)",
    r"third-party (apps|tools) (now |currently )?draw from your extra usage",
    r"extra usage (is not|isn't) (available|enabled|turned on)"
    r"( (for|on) (this|your) (account|organization|plan))?",
    r"you('ve| have) (exceeded|hit|reached) your [^:.]{0,60}(cap|limits?|quota)",
    rf"{_ACCOUNT} has (exceeded|hit|reached) (its|the|your) [^:.]{{0,60}}(cap|limits?|quota)",
    rf"{_ACCOUNT} (does not|doesn't) have access to (claude( code)?|extra usage)",
    rf"{_ACCOUNT} (has ended|has expired|is past due|is paused)",
    rf"{_ACCOUNT} (has no|is out of) (usage )?credits?( left)?",
)
"""The account has nothing left, or may not use what it has: that can change at any time."""

NO_CREDIT = _sentences(r"your credit balance is too low")

REGAINED = re.compile(r"regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d) utc)?")


def refusal(status: int, fault: error_body.Fault) -> str | None:
    """Why this credential will not be accepted again, in words for people."""
    if status not in (400, 401, 403):
        return None
    # A 401 is about the credential in any case.
    if (status == 401 or fault.kind in KINDS) and (words := _beginning(REFUSALS, fault)):
        return words
    if fault.code in REFUSAL_CODES:
        return fault.code
    if status != 400 and fault.kind == "authentication_error":
        return fault.kind
    return None


def spent(status: int, fault: error_body.Fault) -> str | None:
    """That the account has nothing left, in words for people."""
    if status == 402 or (status in (400, 403, 429) and fault.kind == "billing_error"):
        return "no credit"
    if status == 429:
        # All other 429 about extra usage are about the request, which could do without.
        return _beginning(NO_CREDIT, fault)
    return _beginning(SPENT, fault) if status in (400, 403) and fault.kind in KINDS else None


def words(status: int, fault: error_body.Fault) -> str:
    """The words of a message on which such a verdict would rest; empty if none would."""
    if status not in (400, 401, 403, 429):
        return ""
    return next(filter(None, (_beginning(what, fault) for what in (REFUSALS, SPENT))), "")


def regained(fault: error_body.Fault) -> float | None:
    """When the account can be used again, in Unix seconds, if the message says so: `You will regain
    access on 2026-08-01 at 00:00 UTC.`"""
    match = REGAINED.search(fault.message.lower())
    try:
        moment = f"{match[1]}T{match[2] or '00:00'}+00:00" if match else ""
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def _beginning(what: re.Pattern[str], fault: error_body.Fault) -> str | None:
    message = " ".join(fault.message.lower().replace("’", "'").split())
    match = what.match(message)
    return match[0] if match else None
