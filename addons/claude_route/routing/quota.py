"""Reads what an answer says about the credential: whether to rest or disable it, and how much of its
limits is used.

The headers are those of Anthropic: https://platform.claude.com/docs/en/api/rate-limits for API
keys; the `anthropic-ratelimit-unified-*` of subscriptions are known from what Claude Code reads.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import NamedTuple

from claude_route.dialects import error_body
from claude_route.routing import accounts

LONGEST = 8 * 86400.0
"""The longest rest, in seconds. The longest window is seven days, so a later reset must be
misread."""

CREDIT_REST = 1800.0
"""Seconds that a token rests if its account has no credit left, because no answer says until when."""

UNIFIED = "anthropic-ratelimit-unified-"

ACCOUNT_WINDOWS = ("5h", "7d")

# 5h, 7d, 7d_oi. `overage` and `grace` aren't windows: overage is `rejected` in every answer if the
# account has it switched off.
WINDOW_STATUS = re.compile(re.escape(UNIFIED) + r"(\d+[a-z]+(_\w+)?)-status")

KEY_REMAINING = re.compile(r"(anthropic-ratelimit-.+)-remaining")


class Rest(NamedTuple):
    """Don't use a token until a time."""

    until: float
    """Unix seconds."""
    family: str | None
    """The model family for which it rests, such as `opus`; None: all."""
    reason: str

    def text(self, now: float) -> str:
        models = f" for {self.family}" if self.family else ""
        return f"rests {self.until - now:.0f} s{models}"


class Disable(NamedTuple):
    """Don't use a token until the profile is reloaded."""

    reason: str

    def text(self, now: float) -> str:
        return f"is disabled until .env or the profile changes ({self.reason})"


type Effect = Rest | Disable


class Window(NamedTuple):
    """How much of a window is used."""

    utilisation: float
    """A fraction, which may exceed 1."""
    reset: float
    """Unix seconds; infinite if the answer doesn't say."""


def effects(
    status: int,
    headers: Mapping[str, str],
    fault: error_body.Fault,
    *,
    now: float,
    cooldown: float,
    model: str | None = None,
    is_fast: bool = False,
) -> list[Effect]:
    """The effects of an answer on the token that was used; usually none.

    402, or no credit      rest until the time that the message names, else for half an hour
    revoked, expired, …    disable, whatever the status (400, 401, 403)
    401                    disable if the error is Anthropic's; otherwise, for example after a web
                           page, rest for the cooldown
    429                    rest until the latest reset of the rejected windows, else the unified
                           reset, else retry-after, else the reset of an API key's spent limit, else
                           for the cooldown; for a model-scoped window, only for that model family
    429, entitlement       nothing: the account may not make this request (extra usage, 1M context)
    429, `speed: fast`     nothing, unless it names a limit of the account: fast mode has limits of its own
    429 without a limit    nothing if it has x-should-retry: true, because that isn't a quota
    all others             nothing: the fault is the request's or the provider's
    """
    # From the lasting to the passing: a revoked token may be refused with any of these statuses, and an
    # account without credit with a 429, which names no time.
    if refusal := accounts.refusal(status, fault):
        return [Disable(f"{status}, {refusal}")]
    if status == 401:
        return [Rest(now + cooldown, None, "401, no reason given")]
    if why := accounts.spent(status, fault):
        until = _future(accounts.regained(fault), now) or now + CREDIT_REST
        return [Rest(until, None, f"{status}, {why}")]
    if status == 429:
        lower = {name.lower(): value for name, value in headers.items()}
        return _limited(lower, fault, now, cooldown, model, is_fast=is_fast)
    return []


def windows(headers: Mapping[str, str], now: float) -> dict[str, Window]:
    """Utilisation by account window (5h, 7d), which every answer to a subscription's token reports."""
    result = {}
    for name in ACCOUNT_WINDOWS:
        used = _number(headers.get(f"{UNIFIED}{name}-utilization", ""))
        if used is not None:
            reset = _future(_moment(headers.get(f"{UNIFIED}{name}-reset", "")), now)
            result[name] = Window(used, reset or float("inf"))
    return result


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The header in seconds from now, above 0; None if it is missing or unusable."""
    value = headers.get("retry-after", "")
    seconds = _number(value)
    due = _future(_moment(value) if seconds is None else now + seconds, now)
    return None if due is None else due - now


def family(model: str) -> str:
    """`opus` for `claude-opus-5-5`: the name in a model-scoped window."""
    words = re.findall(r"[a-z]{3,}", model.lower())
    return next((word for word in words if word not in ("anthropic", "claude")), model)


def _entitlement(fault: error_body.Fault) -> bool:
    message = fault.message.lower()
    return (
        fault.code == "credits_required" or "extra usage" in message or "usage credits" in message
    )


def _limited(
    headers: Mapping[str, str],
    fault: error_body.Fault,
    now: float,
    cooldown: float,
    model: str | None,
    *,
    is_fast: bool,
) -> list[Effect]:
    """The effects of a 429. The header names are in lower case."""
    rejected: dict[str | None, dict[str, float | None]] = {}
    for name, value in headers.items():
        if (window := WINDOW_STATUS.fullmatch(name)) and value == "rejected":
            # Windows with a suffix, such as 7d_oi, are for some models only. We know which one was asked.
            scope = _family(model) if window[2] else None
            reset = _future(_moment(headers.get(f"{UNIFIED}{window[1]}-reset", "")), now)
            rejected.setdefault(scope, {})[window[1]] = reset
    if not rejected:
        if _entitlement(fault) or (is_fast and not _names_account(headers, now)):
            return []
        # An answer that names a limit rests the token, whatever it says about retrying.
        named = any(n.startswith("anthropic-ratelimit-") or n == "retry-after" for n in headers)
        if not named and headers.get("x-should-retry") == "true":
            return []
        rejected[_claimed_family(headers, model)] = {}
    otherwise, source = _named_time(headers, now) or (now + cooldown, "no reset time given")
    return [
        Rest(
            max(_present(resets.values()), default=otherwise),
            scope,
            f"429, {' '.join(resets) or source}",
        )
        for scope, resets in rejected.items()
    ]


def _named_time(headers: Mapping[str, str], now: float) -> tuple[float, str] | None:
    """The reset time and the header that gives it, if no rejected window does."""
    if headers.get(f"{UNIFIED}status") == "rejected":
        reset = _future(_moment(headers.get(f"{UNIFIED}reset", "")), now)
        if reset is not None:
            return reset, "unified reset"
    if (seconds := retry_after(headers, now)) is not None:
        return now + seconds, "retry-after"
    if resets := _present(_spent(headers, now).values()):
        return max(resets), "spent limit"
    return None


def _names_account(headers: Mapping[str, str], now: float) -> bool:
    """Whether a 429 that rejects no window names a limit of the whole account otherwise."""
    claim = headers.get(f"{UNIFIED}representative-claim", "")
    is_rejected = headers.get(f"{UNIFIED}status") == "rejected"
    return bool(_spent(headers, now)) or (is_rejected and claim.startswith(("five_h", "seven_d")))


def _spent(headers: Mapping[str, str], now: float) -> dict[str, float | None]:
    """The limits of an API key of which nothing is left, and when each resets."""
    return {
        limit[1]: _future(_moment(headers.get(f"{limit[1]}-reset", "")), now)
        for name, value in headers.items()
        if (limit := KEY_REMAINING.fullmatch(name)) and _number(value) == 0
    }


def _claimed_family(headers: Mapping[str, str], model: str | None) -> str | None:
    """`seven_day_opus` concerns opus, `seven_day_overage_included` the requested model."""
    claim = headers.get(f"{UNIFIED}representative-claim", "").removeprefix("seven_day_")
    if claim == "overage_included":
        return _family(model)
    return claim if claim in ("opus", "sonnet") else None


def _family(model: str | None) -> str | None:
    return family(model) if model else None


def _present(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _future(moment: float | None, now: float) -> float | None:
    if moment is None or moment <= now:
        return None
    return min(moment, now + LONGEST)


def _moment(text: str) -> float | None:
    """Parse Unix seconds, an RFC 3339 time or an HTTP date to Unix seconds; None if it is neither."""
    if (number := _number(text)) is not None:
        return number
    for parse in (datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            moment = parse(text.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


def _number(text: str) -> float | None:
    # float() would accept "nan", "inf", "1_000" and a thousand digits.
    text = text.strip(" \t")
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,20})?", text):
        return float(text)
    return None
